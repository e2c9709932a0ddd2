import { type Context, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import type { ReadableSpan, Span, SpanProcessor } from '@opentelemetry/sdk-trace';
import { Fragments } from './fragments.ts';
import type { Outbox } from './outbox.ts';

/** Spans that wait for the end of their fragment: of 1 to 2 kB each, so a few megabytes. */
const mostHeld = 2_048;

/** Sends on what is sampled, and what turns out to be worth it. */
export class KeptSpans implements SpanProcessor {
  readonly #outbox: Outbox<ReadableSpan>;
  readonly #fragments: Fragments<ReadableSpan>;
  readonly #lost: (count: number) => void;

  /** @param lost is told of spans for which there was no room while nobody knew whether to keep them */
  constructor(outbox: Outbox<ReadableSpan>, slowMs: number, lost: (count: number) => void) {
    this.#outbox = outbox;
    this.#fragments = new Fragments({ mostHeld, slowMs });
    this.#lost = lost;
  }

  onStart(span: Span, parent: Context): void {
    if (isSampled(span)) return;
    const under = trace.getSpan(parent);
    this.#fragments.begun(span, under?.spanContext().isRemote === true ? undefined : under);
  }

  onEnd(span: ReadableSpan): void {
    if (isSampled(span)) {
      this.#outbox.add(span);
      return;
    }
    const [seconds, nanoseconds] = span.duration;
    const ended = { failed: span.status.code === SpanStatusCode.ERROR, ms: seconds * 1e3 + nanoseconds / 1e6 };
    const { keep, lost } = this.#fragments.ended(span, ended);
    for (const kept of keep) this.#outbox.add(kept);
    if (lost > 0) this.#lost(lost);
  }

  async forceFlush(): Promise<void> {
    await this.#outbox.flush();
  }

  async shutdown(): Promise<void> {
    await this.#outbox.flush();
  }
}

function isSampled(span: ReadableSpan): boolean {
  return (span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0;
}
