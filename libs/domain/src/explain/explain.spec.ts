import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Cost } from '../money.ts';
import { explain } from './explain.ts';
import type { CallTimes, RunTimes, StepTimes } from './record.ts';

const accepted = Date.parse('2026-01-31T12:00:00Z');

const costOf = (nanoUsd: number, gpuMs?: number): Cost => ({
  ...{ promptTokens: 0, cachedTokens: 0, completionTokens: 0, nanoUsd, feesNanoUsd: 0 },
  ...(gpuMs === undefined ? {} : { gpuMs }),
});

const runOf = (changes: Partial<RunTimes> = {}): RunTimes => ({
  runId: 'run_1',
  status: 'completed',
  model: 'writer',
  acceptedMs: accepted,
  startedMs: accepted + 100,
  endedMs: null,
  nowMs: accepted + 60_000,
  steps: [],
  calls: [],
  faults: [],
  putOff: 0,
  spent: costOf(0),
  lost: { modelCalls: 0, promptTokens: 0 },
  ...changes,
});

const stepOf = (atMs: number, kind: string, changes: Partial<StepTimes> = {}): StepTimes => {
  return {
    epoch: 1,
    committedMs: accepted + atMs,
    kind,
    usage: null,
    times: null,
    cost: null,
    message: null,
    ...changes,
  };
};

const replyAt = (atMs: number, times: StepTimes['times'], epoch = 1): StepTimes => {
  const usage = { promptTokens: 100, cachedTokens: 60, completionTokens: 10 };
  return stepOf(atMs, 'model-replied', { times, usage, epoch });
};

const callOf = (index: number, fromMs: number | null, toMs: number | null, changes: Partial<CallTimes> = {}) => ({
  ...{ step: 0, index, tool: 'search', args: { query: ['why leases end', 'locks'] }, attempts: 1 },
  startedMs: fromMs === null ? null : accepted + fromMs,
  endedMs: toMs === null ? null : accepted + toMs,
  ...changes,
});

/** A reply in 900 ms, two calls, an answer, its check: ten seconds. */
const slowTool = runOf({
  endedMs: accepted + 10_000,
  steps: [
    replyAt(1_000, { ms: 850, firstMs: 300, queuedMs: 100, tries: 2 }),
    stepOf(8_000, 'tools-returned'),
    replyAt(9_500, { ms: 1_450, firstMs: 400 }),
    stepOf(10_000, 'answer-checked'),
  ],
  calls: [callOf(0, 1_200, 1_700), callOf(1, 1_300, 7_900, { tool: 'visit', args: { url: 'https://slow.example/' } })],
});

describe('explain', () => {
  it('names the slow tool first, with what it was asked', () => {
    const { slowest } = explain(slowTool);
    expect(slowest.map(({ name, ms }) => [name, ms])).toEqual([
      ['visit', 6_600],
      ['writer', 1_450],
      ['writer', 850],
      ['search', 500],
    ]);
    expect(slowest[0]).toMatchObject({ kind: 'tool', what: 'https://slow.example/', waited_ms: 300, from_ms: 1_300 });
  });

  it('says of each millisecond where it went', () => {
    expect(explain(slowTool)).toMatchObject({
      wall_ms: 10_000,
      ms: {
        ...{ queue: 100, idle: 0, engine_queue: 100, prefill: 200 + 400, decode: 550 + 1_050, model: 0 },
        ...{ tool_queue: 200, tools: 6_700, check: 500, commit: 50 + 100 + 50 },
      },
      cache: { prompt_tokens: 200, cached_tokens: 120 },
    });
  });

  it('tells calls that were made again apart, and what two of several queries were', () => {
    const { retries, calls } = explain(slowTool);
    expect(retries.map(({ name, tries }) => [name, tries])).toEqual([['writer', 2]]);
    expect(calls.map(({ what }) => what)).toEqual(['', 'why leases end and 1 more', 'https://slow.example/', '']);
  });

  it('calls the time between two workers idle, not the model', () => {
    const steps = [replyAt(1_000, { ms: 900, firstMs: 300 }), replyAt(21_000, { ms: 1_000, firstMs: 300 }, 2)];
    const { ms, handovers } = explain(runOf({ endedMs: accepted + 21_000, steps }));
    expect([ms.idle, ms.prefill + ms.decode, handovers]).toEqual([19_000, 1_900, 1]);
  });

  it('does not guess at the parts of a reply that nobody told apart', () => {
    const { ms } = explain(runOf({ endedMs: accepted + 2_000, steps: [replyAt(2_000, null)] }));
    expect(ms).toMatchObject({ queue: 100, model: 1_900, prefill: 0, decode: 0 });
  });

  it('explains a run under way as far as it has come: a call at work counts until now', () => {
    const steps = [replyAt(1_000, { ms: 900 })];
    const calls = [callOf(0, 1_500, null, { attempts: 3, args: null })];
    const { ms, slowest, retries } = explain(runOf({ status: 'running', nowMs: accepted + 9_500, steps, calls }));
    expect([ms.tool_queue, ms.tools]).toEqual([500, 8_000]);
    expect(slowest[0]).toMatchObject({ name: 'search', ms: 8_000, to_ms: null, what: '' });
    expect(retries[0]).toMatchObject({ name: 'search', tries: 3 });
  });

  it('leaves all of the time of a run that nobody took to the queue', () => {
    expect(explain(runOf({ status: 'queued', startedMs: null })).ms.queue).toBe(60_000);
    expect(explain(runOf({ status: 'queued', startedMs: accepted + 100 })).ms.idle).toBe(59_900);
  });

  it('tells of faults of tools and of the model', () => {
    const steps = [replyAt(1_000, null), stepOf(2_000, 'model-failed', { message: 'refused' })];
    const faults = [{ step: 0, tool: 'visit', kind: 'transient', message: 'timed out' }];
    expect(explain(runOf({ endedMs: accepted + 2_000, steps, faults })).faults).toEqual([
      { step: 0, name: 'visit', kind: 'transient', message: 'timed out' },
      { step: 1, name: 'writer', kind: 'model-failed', message: 'refused' },
    ]);
  });

  it('tells what each step cost, and nothing of those that an earlier release wrote', () => {
    const steps = [stepOf(1_000, 'model-replied', { cost: costOf(2_500_000, 1_500) }), stepOf(2_000, 'answer-checked')];
    const { steps: told, cost } = explain(runOf({ endedMs: accepted + 2_000, steps, spent: costOf(2_500_000) }));
    expect(told).toMatchObject([
      { number: 1, kind: 'model-replied', at_ms: 1_000, cost: { usd: 0.0025, nano_usd: 2_500_000, gpu_seconds: 1.5 } },
      { number: 2, kind: 'answer-checked', at_ms: 2_000, cost: null },
    ]);
    expect(cost).toMatchObject({ nano_usd: 2_500_000, gpu_seconds: null });
  });

  const instant = fc.integer({ min: -5_000, max: 100_000 }).map((ms) => accepted + ms);
  const times = fc.record(
    { ms: fc.nat(50_000), firstMs: fc.nat(60_000), queuedMs: fc.nat(60_000) },
    { requiredKeys: [] },
  );
  const kind = fc.constantFrom('model-replied', 'tools-returned', 'answer-checked', 'context-compacted', 'cancelled');
  const step = fc.record({
    ...{ epoch: fc.integer({ min: 1, max: 3 }), committedMs: instant, kind, usage: fc.constant(null) },
    ...{ times: fc.option(times), message: fc.constant(null), cost: fc.constant(null) },
  });
  const call = fc.record({
    ...{ step: fc.nat(3), index: fc.nat(3), tool: fc.constant('search'), args: fc.constant(null) },
    ...{ attempts: fc.nat(3), startedMs: fc.option(instant), endedMs: fc.option(instant) },
  });

  it('accounts for all of the time and no more, whatever instants the record holds', () => {
    const record = fc.record({
      ...{ startedMs: fc.option(instant), endedMs: fc.option(instant), nowMs: instant },
      ...{ steps: fc.array(step), calls: fc.array(call), status: fc.constantFrom('running', 'queued', 'completed') },
    });
    fc.assert(
      fc.property(record, (changes) => {
        const { segments, ms, wall_ms } = explain(runOf(changes));
        expect(Object.values(ms).reduce((sum, one) => sum + one, 0)).toBe(wall_ms);
        expect(segments.map(({ from_ms }) => from_ms)).toEqual([0, ...segments.map(({ to_ms }) => to_ms)].slice(0, -1));
        expect(segments.every(({ from_ms, to_ms }) => to_ms > from_ms)).toBe(true);
      }),
    );
  });
});
