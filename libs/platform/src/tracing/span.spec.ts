import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { Aborted, NotFound } from '#errors';
import { traceIdOf, traceparentOf } from '../trace.ts';
import { spanKeys } from './names.ts';
import { ShareOfTraces } from './sampling.ts';
import { beginSpan, bindTracer, inSpan, spanHere } from './span.ts';

const caller = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

// Before anything is bound, which is for ever: first in this file.
describe('a span in a process that sends none', () => {
  it('is a name only: that of its caller, or of a new trace, or none', async () => {
    expect(beginSpan('fetch', { under: caller }).traceparent).toBe(caller);
    expect(beginSpan('fetch').traceparent).toBeUndefined();
    const made = beginSpan('step', { under: 'nonsense' }).traceparent ?? '';
    expect(made).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    const beside = beginSpan('step', { under: null, links: [caller] }).traceparent ?? '';
    expect([traceIdOf(beside) === traceIdOf(caller), beside.slice(-2)]).toEqual([false, '01']);
    await expect(inSpan('fetch', {}, async ({ isRecorded }) => [isRecorded, spanHere()])).resolves.toEqual([
      false,
      undefined,
    ]);
  });
});

describe('a span', () => {
  const exporter = new InMemorySpanExporter();
  const sdk = new NodeSDK({
    ...{ autoDetectResources: false, textMapPropagator: null, metricReaders: [], logRecordProcessors: [] },
    ...{ sampler: new ShareOfTraces(1), spanProcessors: [new SimpleSpanProcessor({ exporter })] },
  });
  beforeAll(() => {
    sdk.start();
    bindTracer();
  });
  afterEach(() => {
    exporter.reset();
    jest.restoreAllMocks();
  });
  afterAll(async () => {
    await sdk.shutdown();
  });

  const ended = (name: string): ReadableSpan => {
    const [found] = exporter.getFinishedSpans().filter((span) => span.name === name);
    if (found === undefined) throw new Error(`no span ${name} has ended`);
    return found;
  };
  const parentOf = ({ parentSpanContext }: ReadableSpan) => parentSpanContext && traceparentOf(parentSpanContext);

  it('is under its caller, and what is begun in it is under it, also when that is told by name', async () => {
    const names = await inSpan('ask model', { under: caller }, async (outer) => {
      const inner = await inSpan('fetch', {}, async (span) => [span.traceparent, spanHere()]);
      await inSpan('exchange', { under: outer.traceparent }, async () => undefined);
      return [outer.traceparent, ...inner];
    });
    expect(parentOf(ended('ask model'))).toBe(caller);
    expect([parentOf(ended('fetch')), parentOf(ended('exchange'))]).toEqual([names[0], names[0]]);
    // A parent that this process knows is no stranger: they are kept together.
    expect(ended('exchange').parentSpanContext?.isRemote).toBeFalsy();
    expect(names[2]).toBe(names[1]);
    expect(spanHere()).toBeUndefined();
  });

  it('is not begun where nobody asked for it', () => {
    expect(beginSpan('fetch').isRecorded).toBe(false);
  });

  it('tells a fault by its code and never by its words, and what was stopped as no fault', async () => {
    const secret = 'a page of Orn Skerry';
    const failing = (name: 'fetch' | 'exchange' | 'forward', error: unknown) =>
      inSpan(name, { under: caller }, async () => await Promise.reject(error)).catch(() => undefined);
    await failing('fetch', new NotFound(secret));
    await failing('exchange', new Error(secret));
    await failing('forward', new Aborted(secret));
    const [fault, bug, stop] = (['fetch', 'exchange', 'forward'] as const).map(ended);
    expect([fault, bug, stop].map((span) => [span?.status.code, span?.attributes])).toEqual([
      [2, { 'error.type': 'not_found' }],
      [2, { 'error.type': 'bug' }],
      [0, { 'argosy.outcome': 'stopped' }],
    ]);
    expect([fault, bug, stop].flatMap((span) => span?.events)).toEqual([]);
  });

  it('cuts what is long, and leaves out what is not known', () => {
    const fields = { [spanKeys.host]: 'x'.repeat(10_000), [spanKeys.tool]: undefined, [spanKeys.status]: 200 };
    const span = beginSpan('fetch', { under: caller, fields });
    span.show('asked', [{ text: 'y'.repeat(100_000) }]);
    span.end();
    const { attributes } = ended('fetch');
    expect(attributes).toMatchObject({ 'server.address': 'x'.repeat(200), 'http.response.status_code': 200 });
    expect(attributes).not.toHaveProperty(['gen_ai.tool.name']);
    expect(String(attributes['gen_ai.input.messages'])).toHaveLength(64_000);
  });

  it('takes no time below zero, whatever the clock does meanwhile', () => {
    const now = Date.now();
    const [span, other] = [
      beginSpan('fetch', { under: caller }),
      beginSpan('exchange', { under: caller, startedAt: now + 60_000 }),
    ];
    // An hour back.
    jest.spyOn(Date, 'now').mockReturnValue(now - 3_600_000);
    span.end();
    other.end(now);
    for (const { duration, startTime, endTime } of exporter.getFinishedSpans()) {
      expect(duration[0]).toBeGreaterThanOrEqual(0);
      expect(duration[0]).toBeLessThan(60);
      expect(endTime[0]).toBeGreaterThanOrEqual(startTime[0]);
    }
    expect(exporter.getFinishedSpans()).toHaveLength(2);
  });
});
