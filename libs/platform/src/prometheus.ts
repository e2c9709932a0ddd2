import type { MeterProvider as Meters } from '@opentelemetry/api';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import type { Resource } from '@opentelemetry/resources';
import { AggregationTemporality, InstrumentType, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';

/** Most series of one instrument; what goes beyond them is counted together under `otel_metric_overflow`. */
const mostSeries = 200;

/** Collects when it is asked to, and never by itself. */
export class PulledReader extends MetricReader {
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

/** Meters, and what they measured as Prometheus reads it. */
export interface Scrape {
  readonly meters: Meters;
  /** One at a time: two would share out between them what one of them should see whole. */
  text(): Promise<string>;
}

/** Whoever else reads the metrics, and whose they are there. */
export interface OtherReader {
  readonly reader: PulledReader;
  readonly resource: Resource;
}

/** The SDK of OpenTelemetry without a server of its own. Loading this file takes about 0.1 s and 20 MB. */
export function openScrape(other: OtherReader | null): Scrape {
  const reader = new PulledReader();
  const serializer = new PrometheusSerializer('', false, undefined, true, true);
  return {
    meters: new MeterProvider(
      other === null ? { readers: [reader] } : { readers: [reader, other.reader], resource: other.resource },
    ),
    async text() {
      const { resourceMetrics, errors } = await reader.collect();
      if (errors.length > 0) throw new AggregateError(errors, 'A figure could not be read.');
      return serializer.serialize(resourceMetrics);
    },
  };
}
