import { metrics } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import { InvalidState } from '#errors';
import { bindInstruments } from './instruments.ts';
import { ownVersion } from './own-version.ts';
import { observeProcess } from './process-metrics.ts';
import type { Scrape } from './prometheus.ts';

let starting: Promise<Scrape> | null = null;

/**
 * Begins to measure: before it, every instrument of this process does nothing. Once for a process; the role of the first
 * call stays. Cost: the SDK is loaded here, about 0.1 s and 20 MB that short-lived commands need not pay.
 * @param role what this process is, as its log says it; `embedded` where all roles are one process
 * @param resource whose they are, for whoever is sent them beside Prometheus
 */
export async function startMetrics(role: string, resource: Resource | null = null): Promise<Pick<Scrape, 'collect'>> {
  starting ??= start(role, resource);
  return await starting;
}

async function start(role: string, resource: Resource | null): Promise<Scrape> {
  const { openScrape } = await import('./prometheus.ts');
  const scrape = openScrape(resource);
  metrics.setGlobalMeterProvider(scrape.meters);
  bindInstruments();
  observeProcess(role, ownVersion());
  return scrape;
}

/** Of what {@link metricsText} gives: Prometheus' text format. */
export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8';

/** What is being collected: those who ask meanwhile get the same. */
let collecting: Promise<string> | null = null;

/**
 * All metrics of this process in Prometheus' text format. Cost: about a millisecond; reads no store and sends nothing.
 * @throws InvalidState before {@link startMetrics}
 */
export async function metricsText(): Promise<string> {
  if (starting === null) throw new InvalidState('This process measures nothing: its main has not called startMetrics.');
  const scrape = await starting;
  collecting ??= scrape.text().finally(() => {
    collecting = null;
  });
  return await collecting;
}
