import type { MeterProvider as Meters } from '@opentelemetry/api';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import type { Resource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  type CollectionResult,
  InstrumentType,
  MeterProvider,
  MetricReader,
} from '@opentelemetry/sdk-metrics';
import { mostSeries } from './labels.ts';

/** Collects when it is asked to, and never by itself. */
class PulledReader extends MetricReader {
  constructor() {
    super({
      cardinalitySelector: () => mostSeries,
      // A figure that nobody states any more must go: as a cumulative one it would stand as it last was, for ever.
      aggregationTemporalitySelector: (type) =>
        type === InstrumentType.OBSERVABLE_GAUGE ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE,
    });
  }

  protected async onForceFlush(): Promise<void> {}

  protected async onShutdown(): Promise<void> {}
}

/** Meters, and what they measured. */
export interface Scrape {
  readonly meters: Meters;
  /** As Prometheus reads it. */
  text(): Promise<string>;
  collect(): Promise<CollectionResult>;
}

/**
 * The SDK of OpenTelemetry without a server of its own. One reader serves all who ask, for each would have every value
 * recorded once more. Loading this file takes about 0.1 s and 20 MB.
 * @param resource whose the metrics are, for who is sent them
 */
export function openScrape(resource: Resource | null): Scrape {
  const reader = new PulledReader();
  const serializer = new PrometheusSerializer('', false, undefined, true, true);
  let last: Promise<unknown> = Promise.resolve();
  // One at a time: two would share out between them what each of them should see whole.
  const collect = async (): Promise<CollectionResult> => {
    const collected = last.then(async () => await reader.collect());
    last = collected.catch(() => undefined);
    return await collected;
  };
  return {
    meters: new MeterProvider(resource === null ? { readers: [reader] } : { readers: [reader], resource }),
    collect,
    async text() {
      const { resourceMetrics, errors } = await collect();
      if (errors.length > 0) throw new AggregateError(errors, 'A figure could not be read.');
      return serializer.serialize(resourceMetrics);
    },
  };
}
