/** The SDK's own encoder is the naive twin: the same bytes, whatever a span holds. */

import { describe, expect, it } from '@jest/globals';
import { type Attributes, ROOT_CONTEXT, type Span, SpanStatusCode, trace } from '@opentelemetry/api';
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOnSampler, type ReadableSpan, TracerProvider } from '@opentelemetry/sdk-trace';
import fc from 'fast-check';
import { spanSerializer } from './encode-spans.ts';

function providerOf(ended: ReadableSpan[], attributes: Attributes = { 'service.name': 'übung', rate: 0.5 }) {
  const onEnd = (span: ReadableSpan): void => void ended.push(span);
  const nothing = async (): Promise<void> => undefined;
  return new TracerProvider({
    ...{ sampler: new AlwaysOnSampler(), resource: resourceFromAttributes(attributes) },
    spanProcessors: [{ onStart: () => undefined, onEnd, forceFlush: nothing, shutdown: nothing }],
  });
}

function expectTwins(spans: ReadableSpan[]): void {
  const twin = ProtobufTraceSerializer.serializeRequest(spans) ?? new Uint8Array();
  expect(Buffer.from(spanSerializer.serializeRequest(spans) ?? []).toString('hex')).toBe(
    Buffer.from(twin).toString('hex'),
  );
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 90 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 400 }),
);
const whole = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(0, 127, 128, 2 ** 31, 2 ** 53, 2 ** 63, -1, -(2 ** 63), 1e300),
);
const value = fc.oneof(text, whole, fc.double(), fc.boolean());
const hex = (digits: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${digits - 1}}[1-9a-f]$`));
const named = fc.record({ traceId: hex(32), spanId: hex(16), traceFlags: fc.nat(3), isRemote: fc.boolean() });
const shape = fc.record({
  ...{ name: text, kind: fc.nat(4), attributes: fc.dictionary(text, value, { maxKeys: 8 }) },
  ...{ links: fc.array(named, { maxLength: 3 }), parent: fc.option(named, { nil: null }) },
  ...{
    from: fc.date({ min: new Date(0), max: new Date('2200-01-01'), noInvalidDate: true }),
    ms: fc.double({ min: 0, max: 1e9, noNaN: true }),
  },
  ...{ scope: fc.nat(2), fault: fc.option(text, { nil: null }) },
});

describe('spanSerializer', () => {
  it('gives the bytes that the SDK gives', () => {
    fc.assert(
      fc.property(fc.array(shape, { minLength: 1, maxLength: 12 }), (shapes) => {
        const ended: ReadableSpan[] = [];
        const provider = providerOf(ended);
        for (const { name, kind, attributes, links, parent, from, ms, scope, fault } of shapes) {
          const schemaUrl = scope === 1 ? { schemaUrl: 'https://opentelemetry.io/schemas/1.41.0' } : {};
          const under = parent === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
          const linked = links.map((context) => ({ context }));
          const span = provider
            .getTracer(`scope ${scope}`, scope === 2 ? '1.2' : undefined, schemaUrl)
            .startSpan(name, { kind, attributes, links: linked, startTime: from }, under);
          if (fault !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: fault });
          span.end(new Date(from.getTime() + ms));
        }
        expectTwins(ended);
      }),
    );
  });

  it('leaves to the SDK what it does not know: events, lists, attributes of links', () => {
    const ways: readonly ((span: Span) => void)[] = [
      (span) => void span.addEvent('happened', { a: 1 }),
      (span) => void span.setAttribute('list', ['a', 'b']),
      (span) => void span.addLink({ context: span.spanContext(), attributes: { a: 1 } }),
    ];
    for (const way of ways) {
      const ended: ReadableSpan[] = [];
      const span = providerOf(ended).getTracer('test').startSpan('odd');
      way(span);
      span.end();
      expectTwins(ended);
    }
  });
});
