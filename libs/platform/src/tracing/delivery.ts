import { setTimeout as pause } from 'node:timers/promises';
import { type IOtlpExportDelegate, OTLPExporterError } from '@opentelemetry/otlp-exporter-base';
import { createOtlpHttpExportDelegate, httpAgentFactoryFromOptions } from '@opentelemetry/otlp-exporter-base/node-http';
import {
  MetricsExporterMetricsHelper,
  ProtobufMetricsSerializer,
  TraceExporterMetricsHelper,
} from '@opentelemetry/otlp-transformer';
import type { ResourceMetrics } from '@opentelemetry/sdk-metrics';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { spanSerializer } from './encode-spans.ts';
import type { Delivery } from './outbox.ts';
import type { OtlpSettings } from './settings.ts';

export interface DeliveryTimes {
  /** Of one report, its retries included. */
  readonly limitMs: number;
  /** Beyond that, for a receiver that answers a byte now and then, which the exporter would listen to for ever. */
  readonly marginMs: number;
}

const usualTimes: DeliveryTimes = { limitMs: 10_000, marginMs: 2_000 };

/** Ways to the receiver. The SDK's exporters themselves would read the environment, which is read elsewhere, once. */
export interface Deliveries {
  spans(batch: readonly ReadableSpan[]): Promise<Delivery>;
  metrics(report: ResourceMetrics): Promise<Delivery>;
}

export function otlpDeliveries(settings: OtlpSettings, times = usualTimes): Deliveries {
  const spans = createOtlpHttpExportDelegate(
    optionsOf(settings, 'v1/traces', times),
    spanSerializer,
    'otlp_http_span_exporter',
    TraceExporterMetricsHelper,
    undefined,
  );
  const metrics = createOtlpHttpExportDelegate(
    optionsOf(settings, 'v1/metrics', times),
    ProtobufMetricsSerializer,
    'otlp_http_metric_exporter',
    MetricsExporterMetricsHelper,
    undefined,
  );
  return {
    spans: async (batch) => await delivered(spans, [...batch], times),
    metrics: async (report) => await delivered(metrics, report, times),
  };
}

function optionsOf({ url, headers }: OtlpSettings, path: string, { limitMs }: DeliveryTimes) {
  return {
    url: `${url}/${path}`,
    headers: async () => ({ ...headers, 'content-type': 'application/x-protobuf' }),
    timeoutMillis: limitMs,
    // What is late may be under way beside the next; more is refused, and so counted.
    concurrencyLimit: 2,
    // Receivers are mostly near.
    compression: 'none' as const,
    agentFactory: httpAgentFactoryFromOptions({ keepAlive: true }),
  };
}

async function delivered<T>(
  way: IOtlpExportDelegate<T>,
  what: T,
  { limitMs, marginMs }: DeliveryTimes,
): Promise<Delivery> {
  const done = new AbortController();
  const late = pause(limitMs + marginMs, unreachable(`gave no answer within ${limitMs + marginMs} ms`), {
    signal: done.signal,
    ref: false,
  });
  const sent = new Promise<Delivery>((resolve) => {
    way.export(what, ({ error }) => resolve(error === undefined ? null : refusalOf(error)));
  });
  try {
    return await Promise.race([sent, late]);
  } finally {
    done.abort();
    late.catch(() => undefined);
  }
}

function unreachable(message: string): Delivery {
  return { reason: 'unreachable', message };
}

/** Never what the receiver wrote: it may repeat what it was sent. */
function refusalOf(error: Error): Delivery {
  if (error instanceof OTLPExporterError && error.code !== undefined) {
    return { reason: 'refused', message: `answered with status ${error.code}` };
  }
  const { code } = error as { code?: unknown };
  return unreachable(typeof code === 'string' ? code : error.message);
}
