import { type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import type { Logger } from '../logger.ts';
import type { Scrape } from '../prometheus.ts';
import { randomIds } from '../trace.ts';
import { type Deliveries, otlpDeliveries } from './delivery.ts';
import { reports, spans } from './instruments.ts';
import { type Delivery, Outbox } from './outbox.ts';
import { ShareOfTraces } from './sampling.ts';
import type { OtlpSettings } from './settings.ts';
import { bindTracer } from './span.ts';
import { KeptSpans } from './span-processor.ts';

/** Together with what waits to be kept, far below 64 MB: a receiver may be away for as long as it likes. */
const most = { items: 8_192, bytes: 24 * 2 ** 20 };
const batch = { items: 512, bytes: 3 * 2 ** 20 };
const everyMs = 2_000;

/** Of a span without long attributes, with what the SDK keeps of it. */
const spanBytes = 1_500;
const linkBytes = 300;

/** What is said of a process in all that it sends. */
export interface ProcessIdentity {
  readonly role: string;
  readonly version: string;
  /** Of this process and no other. */
  readonly instance: string;
}

/** A process that sends its spans and metrics. */
export interface Otlp {
  readonly resource: Resource;
  /** Sends these metrics from now on, unless the settings say that none are. */
  report(metrics: Pick<Scrape, 'collect'>): void;
  /** Sends what is left. Ends when it has arrived or is lost. */
  stop(): Promise<void>;
}

/** Loading this file takes about 0.3 s and 45 MB, which processes that send nothing do not pay. */
export function openOtlp(settings: OtlpSettings, identity: ProcessIdentity, logger: Logger): Otlp {
  const resource = resourceFromAttributes({
    'service.namespace': 'argosy',
    'service.name': identity.role,
    'service.version': identity.version,
    'service.instance.id': identity.instance,
  });
  const deliveries = otlpDeliveries(settings);
  const tell = telling(settings, logger);
  const outbox = new Outbox<ReadableSpan>({
    ...{ most, batch, everyMs, bytesOf },
    deliver: deliveries.spans,
    tell: (count, delivery) => {
      spans.add(count, { outcome: delivery === 'full' ? 'full' : (delivery?.reason ?? 'sent') });
      if (delivery !== 'full') tell(delivery);
    },
  });
  const kept = new KeptSpans(outbox, settings.slowMs, (count) => spans.add(count, { outcome: 'full' }));
  const sdk = new NodeSDK({
    ...{ resource, autoDetectResources: false, textMapPropagator: null },
    ...{ sampler: new ShareOfTraces(settings.share), idGenerator: randomIds },
    // Everything that it would otherwise take from the environment.
    ...{ spanProcessors: [kept], metricReaders: [], logRecordProcessors: [] },
  });
  sdk.start();
  bindTracer();
  let metrics: Reports | null = null;
  return {
    resource,
    report(measured) {
      if (settings.metricsEveryMs > 0) metrics ??= reporting(settings.metricsEveryMs, { measured, deliveries, tell });
    },
    async stop() {
      await Promise.all([sdk.shutdown(), metrics?.stop()]);
    },
  };
}

/** Says once that the receiver is away, and once that it is back. */
function telling({ url }: OtlpSettings, logger: Logger): (delivery: Delivery) => void {
  let away = false;
  return (delivery) => {
    if (delivery === null && away) logger.log('info', 'telemetry arrives again', { receiver: URL.parse(url)?.host });
    if (delivery !== null && !away) {
      const { reason, message } = delivery;
      const advice = 'look at ARGOSY_OTLP_URL and ARGOSY_OTLP_HEADERS; runs are not held up, their spans are lost';
      const fields = { receiver: URL.parse(url)?.host, reason, message: `the receiver ${message}: ${advice}` };
      logger.log('warn', 'telemetry does not arrive', fields);
    }
    away = delivery !== null;
  };
}

interface Reports {
  /** Sends the last one. */
  stop(): Promise<void>;
}

interface Reported {
  readonly measured: Pick<Scrape, 'collect'>;
  readonly deliveries: Deliveries;
  readonly tell: (delivery: Delivery) => void;
}

/** Sends all metrics again and again, one report at a time. */
function reporting(everyPeriodMs: number, { measured, deliveries, tell }: Reported): Reports {
  let sending: Promise<void> | null = null;
  const report = async (): Promise<void> => {
    const { resourceMetrics } = await measured.collect();
    const delivery = await deliveries.metrics(resourceMetrics);
    reports.add(1, { outcome: delivery?.reason ?? 'sent' });
    tell(delivery);
  };
  const next = async (): Promise<void> => {
    sending ??= report().finally(() => {
      sending = null;
    });
    await sending;
  };
  const timer = setInterval(() => void next(), everyPeriodMs).unref();
  return {
    async stop() {
      clearInterval(timer);
      await next();
    },
  };
}

function bytesOf({ attributes, links }: ReadableSpan): number {
  let bytes = spanBytes + links.length * linkBytes;
  for (const value of Object.values(attributes)) if (typeof value === 'string') bytes += 2 * value.length;
  return bytes;
}
