import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Config } from './config.ts';
import type { Logger } from './logger.ts';
import { startMetrics } from './metrics.ts';
import { ownVersion } from './own-version.ts';
import { otlpSettings } from './tracing/settings.ts';

/** What a process measures and sends. */
export interface Telemetry {
  /** Sends what is left, within this time. */
  stop(limitMs: number): Promise<void>;
}

let starting: Promise<Telemetry> | null = null;

/**
 * Begins to measure, and to send spans and metrics where the configuration says where to. Once for a process, as
 * {@link startMetrics}.
 */
export async function startTelemetry(role: string, config: Config, logger: Logger): Promise<Telemetry> {
  starting ??= start(role, config, logger);
  return await starting;
}

async function start(role: string, config: Config, logger: Logger): Promise<Telemetry> {
  const settings = otlpSettings(config);
  if (settings === null) {
    await startMetrics(role);
    return { stop: async () => undefined };
  }
  const { openOtlp } = await import('./tracing/otlp.ts');
  const instance = config.ARGOSY_INSTANCE ?? randomUUID();
  const otlp = openOtlp(settings, { role, version: ownVersion(), instance }, logger);
  otlp.report(await startMetrics(role, otlp.resource));
  return {
    async stop(limitMs) {
      const done = new AbortController();
      const late = pause(limitMs, undefined, { signal: done.signal }).catch(() => undefined);
      await Promise.race([otlp.stop(), late]);
      done.abort();
    },
  };
}
