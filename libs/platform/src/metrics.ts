import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { metrics } from '@opentelemetry/api';
import { InvalidState } from '#errors';
import { bindInstruments } from './instruments.ts';
import { observeProcess } from './process-metrics.ts';
import type { Scrape } from './prometheus.ts';

let starting: Promise<Scrape> | null = null;

/**
 * Begins to measure: before it, every instrument of this process does nothing. Once for a process; the role of the first
 * call stays. Cost: the SDK is loaded here, about 0.1 s and 20 MB that short-lived commands need not pay.
 * @param role what this process is, as its log says it; `embedded` where all roles are one process
 */
export async function startMetrics(role: string): Promise<void> {
  starting ??= start(role);
  await starting;
}

async function start(role: string): Promise<Scrape> {
  const { openScrape } = await import('./prometheus.ts');
  const scrape = openScrape();
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

/** The version in Argosy's package.json, the nearest one above this file in the sources as in dist. */
function ownVersion(): string {
  const file = findPackageJSON(import.meta.url);
  if (file === undefined) return 'unknown';
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version?: unknown };
  return typeof version === 'string' ? version : 'unknown';
}
