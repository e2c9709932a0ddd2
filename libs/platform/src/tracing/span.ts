import {
  type Context,
  context,
  type Link,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { Aborted, ArgosyError } from '#errors';
import { newTraceparent, remoteSpan, traceBeside, traceparentOf } from '../trace.ts';
import { genAiContent, genAiSchemaUrl } from './genai.ts';
import { type SpanFields, type SpanName, spanKeys } from './names.ts';

/** How a span begins. */
export interface SpanStart {
  /** Under which span, as W3C `traceparent`; by default the one that is open here. Null: a trace of its own. */
  readonly under?: string | null | undefined;
  /** Spans that led to this one; a trace of its own is sampled where the first of them is. */
  readonly links?: readonly string[];
  /** True: a trace of its own is sampled, whatever its links say. */
  readonly sampled?: boolean;
  readonly kind?: 'server' | 'client' | 'consumer';
  readonly fields?: SpanFields;
  /** Milliseconds since 1970, of what began elsewhere; by default now. */
  readonly startedAt?: number;
}

/** A span that has begun. */
export interface OpenSpan {
  /** Names it to others, as W3C `traceparent`; where nothing is recorded, what it would be under, if anything. */
  readonly traceparent: string | undefined;
  /** Whether anybody may ever see what is said of it. */
  readonly isRecorded: boolean;
  /** Whether it is sent whatever becomes of it, and so what others begin under it. */
  readonly isSampled: boolean;
  set(fields: SpanFields): void;
  /** For a tenant that wants it: what was asked or answered, as JSON of at most 64,000 characters. */
  show(what: keyof typeof genAiContent, content: unknown): void;
  /** Says that what it stands for failed, and that its part of the trace must be kept. @param fault a code */
  fail(fault: string): void;
  /** Does a work so that what is begun meanwhile is under this span. */
  around<T>(work: () => Promise<T>): Promise<T>;
  /** Once. @param at milliseconds since 1970; by default now */
  end(at?: number): void;
}

/** Longest value of an attribute that is no content. */
const mostCharacters = 200;
const mostContent = 64_000;

let tracer: Tracer | null = null;

/** From now on spans are made by the global provider; before that, and without one, they cost next to nothing. */
export function bindTracer(): void {
  tracer = trace.getTracerProvider().getTracer('argosy', undefined, { schemaUrl: genAiSchemaUrl });
}

/** Begins a span that whoever called ends. Nothing begun meanwhile is under it, unless it says so. */
export function beginSpan(name: SpanName, start: SpanStart = {}): OpenSpan {
  const parent = tracer === null ? null : contextOf(start);
  if (tracer === null || parent === null) return new UnrecordedSpan(start);
  return new RecordedSpan(begun(tracer, name, start, parent));
}

/** Does a work in a span, which fails as the work does: what is begun meanwhile is under it. */
export async function inSpan<T>(name: SpanName, start: SpanStart, work: (span: OpenSpan) => Promise<T>): Promise<T> {
  const span = beginSpan(name, start);
  try {
    return await span.around(() => work(span));
  } catch (error) {
    failWith(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** The span that what begins here is under, as W3C `traceparent`; undefined where there is none, or nobody records it. */
export function spanHere(): string | undefined {
  const span = tracer === null ? undefined : trace.getActiveSpan();
  return span?.isRecording() ? traceparentOf(span.spanContext()) : undefined;
}

/** Says what was thrown by its code: its message may hold what a span must not. What was stopped has not failed. */
export function failWith(span: OpenSpan, error: unknown): void {
  if (error instanceof Aborted) span.set({ [spanKeys.outcome]: 'stopped' });
  else span.fail(error instanceof ArgosyError ? error.code : 'bug');
}

/** Null where there is nothing to be under: what nobody asked for has no trace. */
function contextOf({ under }: SpanStart): Context | null {
  const active = trace.getActiveSpan();
  if (under === undefined) return active === undefined ? null : context.active();
  const remote = under === null ? null : remoteSpan(under);
  if (remote === null) return ROOT_CONTEXT;
  // Known here as more than its name: then its part of the trace is one.
  if (active?.spanContext().spanId === remote.spanId) return context.active();
  return trace.setSpanContext(ROOT_CONTEXT, remote);
}

const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, consumer: SpanKind.CONSUMER } as const;

function begun(by: Tracer, name: SpanName, { links = [], sampled, ...start }: SpanStart, parent: Context): Span {
  const flags = sampled === true ? TraceFlags.SAMPLED : 0;
  const linked = links.flatMap((traceparent): Link[] => {
    const remote = remoteSpan(traceparent);
    return remote === null ? [] : [{ context: { ...remote, traceFlags: remote.traceFlags | flags } }];
  });
  const options = {
    kind: start.kind === undefined ? SpanKind.INTERNAL : kinds[start.kind],
    links: linked,
    ...(start.startedAt === undefined ? {} : { startTime: start.startedAt }),
  };
  const span = by.startSpan(name, options, parent);
  if (start.fields !== undefined) say(span, start.fields);
  return span;
}

/** One by one: what is given at the start, the SDK copies twice. */
function say(span: Span, fields: SpanFields): void {
  for (const key in fields) {
    const value = fields[key as keyof SpanFields]; // a key of the same record
    if (value === undefined) continue;
    span.setAttribute(
      key,
      typeof value === 'string' && value.length > mostCharacters ? value.slice(0, mostCharacters) : value,
    );
  }
}

class RecordedSpan implements OpenSpan {
  readonly #span: Span;

  constructor(span: Span) {
    this.#span = span;
  }

  get traceparent(): string {
    return traceparentOf(this.#span.spanContext());
  }

  get isRecorded(): boolean {
    return this.#span.isRecording();
  }

  get isSampled(): boolean {
    return (this.#span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0;
  }

  set(fields: SpanFields): void {
    say(this.#span, fields);
  }

  show(what: keyof typeof genAiContent, content: unknown): void {
    this.#span.setAttribute(genAiContent[what], JSON.stringify(content).slice(0, mostContent));
  }

  fail(fault: string): void {
    this.#span.setAttribute(spanKeys.fault, fault.slice(0, mostCharacters));
    this.#span.setStatus({ code: SpanStatusCode.ERROR });
  }

  end(at?: number): void {
    this.#span.end(at);
  }

  around<T>(work: () => Promise<T>): Promise<T> {
    return context.with(trace.setSpan(context.active(), this.#span), work);
  }
}

/** Only ever a name: of somebody else's trace, or of one that nobody sees. */
class UnrecordedSpan implements OpenSpan {
  readonly isRecorded = false;
  readonly isSampled = false;
  readonly traceparent: string | undefined;

  constructor({ under, links: [first] = [] }: SpanStart) {
    if (under === undefined) return;
    if (under !== null && remoteSpan(under) !== null) this.traceparent = under;
    else this.traceparent = first === undefined ? newTraceparent() : traceBeside(first);
  }

  set(): void {}

  show(): void {}

  fail(): void {}

  end(): void {}

  around<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }
}
