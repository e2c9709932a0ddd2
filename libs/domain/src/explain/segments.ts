/** The time of a run cut into pieces, each of which went to one thing. */
import type { CallTimes, RunTimes, StepTimes } from './record.ts';

/**
 * What time goes to, in the order in which it is told.
 * `queue`: until a worker took the run. `idle`: between two workers, or for want of one. `engine_queue`: until the model's
 * engine had a place. `prefill`: until the first text. `decode`: from there on. `model`: a reply whose parts nobody told
 * apart. `tool_queue`: until a tool worker began a call. `tools`: at least one call at work. `check`: quotations and outputs
 * looked up. `commit`: all else between two commits, the commit itself for the most part.
 */
export const timeKinds = [
  'queue',
  'idle',
  'engine_queue',
  'prefill',
  'decode',
  'model',
  'tool_queue',
  'tools',
  'check',
  'commit',
] as const;
export type TimeKind = (typeof timeKinds)[number];

/** A piece of a run's time, in ms since it was accepted. */
export interface Segment {
  readonly kind: TimeKind;
  /** The reply, from 0, that it belongs to; null where it belongs to none. */
  readonly step: number | null;
  readonly from_ms: number;
  readonly to_ms: number;
}

/** Lays pieces end to end: whatever instants the record holds, they neither overlap nor leave a gap. */
class Track {
  readonly #origin: number;
  readonly #endMs: number;
  readonly segments: Segment[] = [];
  #atMs: number;

  constructor(originMs: number, endMs: number) {
    this.#origin = originMs;
    this.#endMs = endMs;
    this.#atMs = originMs;
  }

  /** The end of the last piece. */
  get atMs(): number {
    return this.#atMs;
  }

  /** A piece from the end of the last one to this instant, or to the end of all; none where that has passed. */
  until(instantMs: number, kind: TimeKind, step: number | null): void {
    const toMs = Math.min(instantMs, this.#endMs);
    if (toMs <= this.#atMs) return;
    const from_ms = this.#atMs - this.#origin;
    const to_ms = toMs - this.#origin;
    const last = this.segments.at(-1);
    if (last?.kind === kind && last.step === step) this.segments[this.segments.length - 1] = { ...last, to_ms };
    else this.segments.push({ kind, step, from_ms, to_ms });
    this.#atMs = toMs;
  }
}

/** The instant to which a run is told: its end, or now. */
export function endOf({ acceptedMs, endedMs, nowMs }: RunTimes): number {
  return Math.max(acceptedMs, endedMs ?? nowMs);
}

/** All of a run's time, from its acceptance to its end or now. The pieces are in order and their lengths add up to it. */
export function segmentsOf(run: RunTimes): Segment[] {
  const endMs = endOf(run);
  const track = new Track(run.acceptedMs, endMs);
  track.until(run.startedMs ?? endMs, 'queue', null);
  let replies = 0;
  let epoch = 1;
  for (const step of run.steps) {
    const moved = step.epoch !== epoch;
    const reply = step.kind === 'model-replied' ? replies++ : replies - 1;
    layStep(track, step, { run, reply, moved });
    epoch = step.epoch;
  }
  layRest(track, run, { replies, endMs });
  return track.segments;
}

interface Around {
  readonly run: RunTimes;
  /** Number of the reply that it is or belongs to. */
  readonly reply: number;
  /** The run changed hands since the step before. */
  readonly moved: boolean;
}

function layStep(track: Track, step: StepTimes, { run, reply, moved }: Around): void {
  const { committedMs, kind } = step;
  if (kind === 'model-replied') layReply(track, step, { reply, moved });
  else if (kind === 'tools-returned') layCalls(track, callsOf(run, reply), { step: reply, toMs: committedMs });
  else if (moved) track.until(committedMs, 'idle', null);
  else if (kind === 'answer-checked' || kind === 'output-checked') track.until(committedMs, 'check', reply);
  track.until(committedMs, 'commit', reply < 0 ? null : reply);
}

/** A reply ended just before it was committed. What lies before it went to commits, or to finding another worker. */
function layReply(
  track: Track,
  { committedMs, times }: StepTimes,
  { reply, moved }: { readonly reply: number; readonly moved: boolean },
): void {
  const { ms, firstMs, queuedMs = 0 } = times ?? {};
  const beganMs = Math.max(track.atMs, committedMs - (ms ?? committedMs - track.atMs));
  track.until(beganMs, moved ? 'idle' : 'commit', moved ? null : reply);
  if (firstMs !== undefined) {
    track.until(beganMs + Math.min(queuedMs, firstMs), 'engine_queue', reply);
    track.until(Math.min(beganMs + firstMs, committedMs), 'prefill', reply);
  }
  track.until(committedMs, firstMs === undefined ? 'model' : 'decode', reply);
}

function callsOf({ calls }: RunTimes, reply: number): CallTimes[] {
  return calls.filter(({ step }) => step === reply);
}

/** While any call was at work it was tools; else they waited to be begun. What follows the last one is not laid. */
function layCalls(
  track: Track,
  calls: readonly CallTimes[],
  { step, toMs }: { readonly step: number; readonly toMs: number },
): void {
  const begun = calls.flatMap(({ startedMs, endedMs }) => (startedMs === null ? [] : [{ startedMs, endedMs }]));
  for (const { startedMs, endedMs } of begun.toSorted((a, b) => a.startedMs - b.startedMs)) {
    track.until(Math.min(startedMs, toMs), 'tool_queue', step);
    track.until(Math.min(endedMs ?? toMs, toMs), 'tools', step);
  }
}

/** What follows the last committed step: nothing, where the run ended with it. */
function layRest(track: Track, run: RunTimes, { replies, endMs }: { replies: number; endMs: number }): void {
  if (run.startedMs === null || track.atMs >= endMs) return;
  const working = run.endedMs === null && run.status === 'running';
  const open = callsOf(run, replies - 1).filter(({ endedMs }) => endedMs === null || endedMs > track.atMs);
  if (!working) {
    track.until(endMs, 'idle', null);
  } else if (open.length === 0) {
    track.until(endMs, 'model', replies);
  } else {
    layCalls(track, open, { step: replies - 1, toMs: endMs });
    const waiting = open.some(({ endedMs }) => endedMs === null);
    track.until(endMs, waiting ? 'tool_queue' : 'commit', replies - 1);
  }
}
