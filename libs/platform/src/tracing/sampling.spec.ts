import { describe, expect, it } from '@jest/globals';
import { ROOT_CONTEXT, SpanKind, TraceFlags, trace } from '@opentelemetry/api';
import { SamplingDecision } from '@opentelemetry/sdk-trace';
import { newTraceparent, traceIdOf } from '../trace.ts';
import { ShareOfTraces } from './sampling.ts';

const spanContext = (traceFlags: number) => ({
  traceId: traceIdOf(newTraceparent()),
  spanId: '00f067aa0ba902b7',
  traceFlags,
});
const linkTo = (traceFlags: number) => ({ context: spanContext(traceFlags) });
const decide = (share: number, traceId: string, links = [] as ReturnType<typeof linkTo>[], context = ROOT_CONTEXT) =>
  new ShareOfTraces(share).shouldSample(context, traceId, 'step', SpanKind.INTERNAL, {}, links).decision;

describe('the share of traces', () => {
  const ids = Array.from({ length: 4_000 }, () => traceIdOf(newTraceparent()));

  it.each([0, 0.25, 1])('%d is what is sampled of traces that nothing led to; the rest is recorded', (share) => {
    const sampled = ids.filter((id) => decide(share, id) === SamplingDecision.RECORD_AND_SAMPLED);
    // Six standard deviations of 4,000 throws.
    expect(Math.abs(sampled.length / ids.length - share)).toBeLessThan(0.042);
    for (const id of ids) expect(decide(share, id)).not.toBe(SamplingDecision.NOT_RECORD);
  });

  it('is the same traces in every process, and those of a smaller share are among those of a larger', () => {
    for (const id of ids) {
      if (decide(0.1, id) === SamplingDecision.RECORD_AND_SAMPLED) expect(decide(0.3, id)).toBe(decide(0.1, id));
    }
  });

  it.each([
    [TraceFlags.SAMPLED, 0, SamplingDecision.RECORD_AND_SAMPLED],
    [TraceFlags.NONE, 1, SamplingDecision.RECORD],
  ])('does not count where a caller or a linked span has decided: flags %d, share %d', (flags, share, decision) => {
    const under = trace.setSpanContext(ROOT_CONTEXT, spanContext(flags));
    expect(decide(share, ids[0] ?? '', [], under)).toBe(decision);
    expect(decide(share, ids[0] ?? '', [linkTo(flags), linkTo(1 - flags)])).toBe(decision);
  });
});
