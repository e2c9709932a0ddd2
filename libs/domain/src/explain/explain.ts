/** Where the time of a run went, and what went wrong on the way. */
import { type Cost, toUsd } from '../money.ts';
import type { CallTimes, RunTimes, StepTimes } from './record.ts';
import { endOf, type Segment, segmentsOf, type TimeKind, timeKinds } from './segments.ts';

/** One call of the model or a tool; field names are the public ones. Times are ms since the run was accepted. */
export interface ExplainedCall {
  readonly kind: 'model' | 'tool';
  /** The reply, from 0, that it is or that asked for it. */
  readonly step: number;
  /** Which of the calls of that reply; null for the model. */
  readonly index: number | null;
  /** The tool, or the configured model. */
  readonly name: string;
  /** What it was asked, shortened; empty for the model. */
  readonly what: string;
  /** The beginning of its last attempt; null where nobody has begun it. */
  readonly from_ms: number | null;
  /** Null while it is under way. */
  readonly to_ms: number | null;
  /** How long it took, or has taken until now. */
  readonly ms: number;
  /** From when it could have begun; lost attempts are in it. */
  readonly waited_ms: number;
  readonly tries: number;
}

/** What something cost: money in whole billionths of a USD, `usd` the same for people. */
export interface ExplainedCost {
  readonly prompt_tokens: number;
  readonly cached_tokens: number;
  readonly completion_tokens: number;
  readonly usd: number;
  readonly nano_usd: number;
  readonly fees_nano_usd: number;
  /** Null where no server has said. */
  readonly gpu_seconds: number | null;
}

/** A run explained. */
export interface Explanation {
  readonly run_id: string;
  readonly status: string;
  readonly model: string;
  readonly wall_ms: number;
  /** What the wall time went to; together it is that. */
  readonly ms: Readonly<Record<TimeKind, number>>;
  readonly segments: readonly Segment[];
  /** In the order in which they could begin. */
  readonly calls: readonly ExplainedCall[];
  /** The five that took longest, the longest first. */
  readonly slowest: readonly ExplainedCall[];
  readonly cache: { readonly prompt_tokens: number; readonly cached_tokens: number };
  /** Each committed step, `at_ms` when it was, and what it cost; null where an earlier release wrote it. */
  readonly steps: readonly {
    readonly number: number;
    readonly kind: string;
    readonly at_ms: number;
    readonly cost: ExplainedCost | null;
  }[];
  /** What the run has spent: its steps add up to it. */
  readonly cost: ExplainedCost;
  /** Calls that were made more than once. */
  readonly retries: readonly ExplainedCall[];
  readonly faults: readonly {
    readonly step: number;
    readonly name: string;
    readonly kind: string;
    readonly message: string;
  }[];
  /** Replies that were lost with a worker and bought again; their tokens are an estimate. */
  readonly rebought: { readonly model_calls: number; readonly prompt_tokens: number };
  /** How often the run went from one worker to another between two steps. */
  readonly handovers: number;
  /** How often it found no place at its model. */
  readonly put_off: number;
}

/** So many calls are told as the slowest. */
const mostSlow = 5;

/** What a call was asked is shortened to so many characters. */
const mostWords = 80;

/** Explains a run, also one under way. Pure. Cost O((steps + calls) log calls). */
export function explain(run: RunTimes): Explanation {
  const segments = segmentsOf(run);
  const calls = callsIn(run);
  const usages = run.steps.flatMap(({ usage }) => (usage === null ? [] : [usage]));
  return {
    run_id: run.runId,
    status: run.status,
    model: run.model,
    wall_ms: endOf(run) - run.acceptedMs,
    ms: totals(segments),
    segments,
    calls,
    slowest: calls.toSorted((a, b) => b.ms - a.ms).slice(0, mostSlow),
    cache: {
      prompt_tokens: usages.reduce((sum, { promptTokens }) => sum + promptTokens, 0),
      cached_tokens: usages.reduce((sum, { cachedTokens }) => sum + cachedTokens, 0),
    },
    steps: run.steps.map(({ kind, committedMs, cost }, index) => {
      return { number: index + 1, kind, at_ms: committedMs - run.acceptedMs, cost: cost === null ? null : shown(cost) };
    }),
    cost: shown(run.spent),
    retries: calls.filter(({ tries }) => tries > 1),
    faults: [...run.faults.map(({ tool, ...fault }) => ({ ...fault, name: tool })), ...modelFaults(run)],
    rebought: { model_calls: run.lost.modelCalls, prompt_tokens: run.lost.promptTokens },
    handovers: run.steps.filter(({ epoch }, i) => epoch !== (run.steps[i - 1]?.epoch ?? 1)).length,
    put_off: run.putOff,
  };
}

function shown({ promptTokens, cachedTokens, completionTokens, nanoUsd, feesNanoUsd, gpuMs }: Cost): ExplainedCost {
  const tokens = { prompt_tokens: promptTokens, cached_tokens: cachedTokens, completion_tokens: completionTokens };
  const money = { usd: toUsd(nanoUsd), nano_usd: nanoUsd, fees_nano_usd: feesNanoUsd };
  return { ...tokens, ...money, gpu_seconds: gpuMs === undefined ? null : gpuMs / 1000 };
}

function totals(segments: readonly Segment[]): Record<TimeKind, number> {
  const ms = Object.fromEntries(timeKinds.map((kind) => [kind, 0])) as Record<TimeKind, number>; // of each kind one
  for (const { kind, from_ms, to_ms } of segments) ms[kind] += to_ms - from_ms;
  return ms;
}

function modelFaults({ steps, model }: RunTimes): Explanation['faults'] {
  const replies = steps.filter(({ kind }) => kind === 'model-replied').length;
  return steps.flatMap(({ kind, message }) => {
    return kind === 'model-failed' && message !== null ? [{ step: replies, name: model, kind, message }] : [];
  });
}

function callsIn(run: RunTimes): ExplainedCall[] {
  const calls: ExplainedCall[] = [];
  let readyMs = run.startedMs ?? run.acceptedMs;
  let step = 0;
  for (const one of run.steps) {
    if (one.kind === 'model-replied')
      calls.push(modelCall(run, one, { step, readyMs }), ...toolCalls(run, one, step++));
    readyMs = one.committedMs;
  }
  return calls;
}

function modelCall(
  { acceptedMs, model }: RunTimes,
  { committedMs, times }: StepTimes,
  { step, readyMs }: { readonly step: number; readonly readyMs: number },
): ExplainedCall {
  const took = Math.max(0, Math.min(times?.ms ?? Number.POSITIVE_INFINITY, committedMs - readyMs));
  const span = { from_ms: committedMs - took - acceptedMs, to_ms: committedMs - acceptedMs, ms: took };
  const waited_ms = Math.max(0, committedMs - took - readyMs) + (times?.queuedMs ?? 0);
  return { kind: 'model', step, index: null, name: model, what: '', ...span, waited_ms, tries: times?.tries ?? 1 };
}

/** Calls could begin when the reply that asks for them was committed. */
function toolCalls(run: RunTimes, { committedMs }: StepTimes, step: number): ExplainedCall[] {
  const endMs = endOf(run);
  return run.calls
    .filter((call) => call.step === step)
    .toSorted((a, b) => a.index - b.index)
    .map((call): ExplainedCall => {
      const { index, tool, attempts, startedMs, endedMs } = call;
      const since = (ms: number | null): number | null => (ms === null ? null : ms - run.acceptedMs);
      return {
        ...{ kind: 'tool', step, index, name: tool, what: wordsOf(call) },
        ...{ from_ms: since(startedMs), to_ms: since(endedMs), tries: Math.max(1, attempts) },
        ms: startedMs === null ? 0 : Math.max(0, (endedMs ?? endMs) - startedMs),
        waited_ms: Math.max(0, (startedMs ?? endMs) - committedMs),
      };
    });
}

/** The first text among the arguments: a query, an address, a line of code. */
function wordsOf({ args }: CallTimes): string {
  if (args === null) return '';
  const [first] = Object.values(args);
  const [text, more] = Array.isArray(first) ? [String(first[0] ?? ''), first.length - 1] : [String(first ?? ''), 0];
  const line = text.replace(/\s+/g, ' ').trim();
  const short = line.length <= mostWords ? line : `${line.slice(0, mostWords - 1).toWellFormed()}…`;
  return more > 0 ? `${short} and ${more} more` : short;
}
