import { randomFillSync } from 'node:crypto';
import type { SpanContext } from '@opentelemetry/api';
import { parseTraceParent } from '@opentelemetry/core';

/** The flags that we know of and pass on: sampled, and that the trace id is random. Others are cleared, as W3C asks. */
const knownFlags = 0x03;

/**
 * Begins a trace. Not sampled: nothing is recorded of it here, and whoever is called must not think so.
 * @returns a W3C `traceparent`: `00-<32 hex of the trace>-<16 hex of the span>-<2 hex of flags>`
 */
export function newTraceparent(): string {
  return format(randomHex(16), randomHex(8), 0);
}

/** Begins a trace that is sampled where this one is. */
export function traceBeside(traceparent: string): string {
  return format(randomHex(16), randomHex(8), (parseTraceParent(traceparent)?.traceFlags ?? 0) & knownFlags);
}

/**
 * A new span in the trace of whoever called. A header that is absent or not valid begins a new trace, and never fails a
 * request (W3C Trace Context 1, 2.2 and 3.2).
 * @param traceparent as it came, from anybody
 */
export function childOf(traceparent: unknown): string {
  const parent = typeof traceparent === 'string' ? parseTraceParent(traceparent) : null;
  return parent === null ? newTraceparent() : format(parent.traceId, randomHex(8), parent.traceFlags & knownFlags);
}

/** The trace id of one of our own, for log lines. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35);
}

/** Names a span of ours to others. */
export function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return format(traceId, spanId, traceFlags);
}

/** The span that a `traceparent` names, of another process; null where it is not valid. */
export function remoteSpan(traceparent: string): SpanContext | null {
  const parsed = parseTraceParent(traceparent);
  return parsed === null ? null : { ...parsed, isRemote: true };
}

function format(traceId: string, spanId: string, flags: number): string {
  return `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, '0')}`;
}

/** Ids for the SDK from the same stock: its own generator puts them together digit by digit. */
export const randomIds = {
  generateTraceId: (): string => randomHex(16),
  generateSpanId: (): string => randomHex(8),
};

/** All zeros is no id; chance makes them once in 2^64 or rarer. */
function randomHex(bytes: number): string {
  if (unused + bytes > chance.length) {
    randomFillSync(chance);
    unused = 0;
  }
  unused += bytes;
  return chance.toString('hex', unused - bytes, unused);
}

/** Chance in stock: asking the system for eight bytes at a time costs ten times as much, at every step of every run. */
const chance = Buffer.alloc(4096);
let unused = chance.length;
