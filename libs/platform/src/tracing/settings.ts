import type { Config } from '../config.ts';

/** Where telemetry is sent, and how much of it. */
export interface OtlpSettings {
  /** Of an OTLP receiver over HTTP, without the path of a signal. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Between two reports of the metrics; 0 for none. */
  readonly metricsEveryMs: number;
  /** Of traces, from 0 to 1. */
  readonly share: number;
  readonly slowMs: number;
}

/** Null where nobody said where to. */
export function otlpSettings(config: Config): OtlpSettings | null {
  const url = config.ARGOSY_OTLP_URL;
  if (url === undefined) return null;
  return {
    url: url.replace(/\/+$/, ''),
    headers: config.ARGOSY_OTLP_HEADERS ?? {},
    metricsEveryMs: config.ARGOSY_OTLP_METRICS_MS,
    share: config.ARGOSY_TRACE_RATIO,
    slowMs: config.ARGOSY_TRACE_SLOW_MS,
  };
}
