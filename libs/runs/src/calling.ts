import type { Observation, PlacedCall, ToolKind, ToolOutcome } from '#domain';
import { Unavailable } from '#errors';
import { awaitHint, topics } from './bus.ts';
import type { Answering, CallBell, Ring } from './doorbell/doorbell.ts';
import { answerAsOne } from './doorbell/one-worker.ts';
import type { Membership } from './membership.ts';
import { type AnswerSettings, answerOptions, type Core, ringOrLose } from './ports.ts';
import { putTexts } from './store/blobs.ts';
import { type CallKey, countMisheard, countRings, type DueCall, handOver } from './store/call-rings.ts';
import { type CallClaim, claimCall, finishCall, outcomesOf, readCalls, releaseCall } from './store/calls.ts';
import type { Claim } from './store/claims.ts';
import { isCancelFlagged } from './store/flags.ts';
import { callIdOf } from './store/log.ts';
import { whileHeld } from './while-held.ts';

/** What came of a tool call: `unknown` when a side effect may or may not have happened. */
export interface CallResult {
  readonly state: 'done' | 'unknown';
  readonly observation: Observation;
  /** Texts that the observation's passages point into, by sha256. */
  readonly snapshots: ReadonlyMap<string, string>;
}

/** The call is for workers of another kind, and nothing of it was done. */
export interface HandedOver {
  readonly state: 'handed-over';
  readonly to: ToolKind;
}

/** Performs a claimed call. `signal` fires when the run is cancelled or the worker must stop. */
export type PerformCall = (claim: CallClaim, signal: AbortSignal) => Promise<CallResult | HandedOver>;

/** How a worker of tools answers. */
export interface CallSettings extends AnswerSettings {
  /** As in its membership: kinds of calls that it takes; absent: any that nobody takes by name. */
  readonly kinds?: readonly ToolKind[];
}

/** How long to wait for calls. */
interface Waiting {
  /** Stops the wait, without any outcome. */
  readonly signal: AbortSignal;
  /** Ends the wait with the outcomes that are there; the others are late. */
  readonly late: AbortSignal | null;
}

/** Has calls performed and waits for them; see `Runs.callTools`. */
export async function callTools(
  core: Core,
  { tenantId, runId }: Claim,
  calls: readonly PlacedCall[],
  { signal, late }: Waiting,
): Promise<ToolOutcome[] | null> {
  const waiting = late === null ? signal : AbortSignal.any([signal, late]);
  const ids = calls.map((call) => callIdOf(runId, call));
  let rung = false;
  while (!signal.aborted) {
    const hint = awaitHint(core.bus, topics.called(tenantId, runId), core.settings.pollMs, waiting);
    try {
      const outcomes = outcomesOf(calls, ids, await readCalls(core.database, tenantId, runId, ids));
      if (late?.aborted || outcomes.every((outcome) => !outcome.late)) return outcomes;
      // No worker begins calls of such a run any more, and the hint that its end was asked for may have been lost.
      if (await isCancelFlagged(core.database, tenantId, runId)) return null;
      // Once: whatever gets lost after that is rung again by whoever reconciles.
      if (!rung) await ringCalls(core, await countRings(core.database, { tenantId, runId }, ids));
      rung = true;
      await hint.came;
    } finally {
      hint.drop();
    }
  }
  return null;
}

/** Rings for calls whose rings were counted. */
export async function ringCalls(core: Core, due: readonly DueCall[], delayMs?: number): Promise<void> {
  for (const { rings, ...call } of due) {
    const ring: Ring = { ...call, key: `${call.callId}-${rings}` };
    await ringOrLose(core, delayMs === undefined ? ring : { ...ring, delayMs });
  }
}

/** Answers call rings; see `Runs.answerCalls`. */
export async function answerCalls(
  core: Core,
  member: Membership,
  settings: CallSettings,
  perform: PerformCall,
): Promise<Answering> {
  const { kinds } = settings;
  const answer = async ({ bell, tenantId, runId, callId = '' }: Ring, closing: AbortSignal): Promise<void> => {
    const key = { tenantId, runId, callId };
    const cancel = new AbortController();
    // Listens before it looks, so that no cancel falls between the two.
    const unsubscribe = core.bus.subscribe(topics.flagged(tenantId, runId), () =>
      cancel.abort('the run was cancelled'),
    );
    try {
      const owned = await claimCall(core.database, key, member.workerId);
      if (owned !== null)
        await performCall(core, owned, perform, { cancel: cancel.signal, closing, lost: member.lost });
      else if (bell === 'calls' && kinds !== undefined) await passOn(core, key, member.workerId);
    } finally {
      unsubscribe();
    }
  };
  const options = answerOptions(core, settings);
  if (kinds === undefined) return await core.doorbell.answer('calls', answer, options);
  // What is of no kind, and what an older release rings for, comes over the bell for all.
  const bells: readonly CallBell[] = [...kinds.map((kind) => `calls-${kind}` as const), 'calls'];
  return await answerAsOne(core.doorbell, bells, answer, options);
}

/** A ring that was not for who heard it. Where only workers without names are left for it, it must find one of them by chance. */
async function passOn(core: Core, key: CallKey, workerId: string): Promise<void> {
  const due = await countMisheard(core.database, key, workerId);
  await ringCalls(core, due, due.some(({ bell }) => bell === 'calls') ? core.settings.pollMs : undefined);
}

/** Why a call may have to stop. */
interface Stops {
  readonly cancel: AbortSignal;
  readonly closing: AbortSignal;
  readonly lost: AbortSignal;
}

async function performCall(core: Core, owned: CallClaim, perform: PerformCall, stops: Stops): Promise<void> {
  const signal = AbortSignal.any([stops.cancel, stops.closing, stops.lost]);
  try {
    const result = await perform(owned, signal);
    if (result.state === 'handed-over') await ringCalls(core, await handOver(core.database, owned, result.to));
    else await keep(core, owned, result, stops.lost);
  } catch (error) {
    await releaseCall(core.database, owned);
    const delayMs = stops.closing.aborted ? 0 : core.settings.pollMs;
    if (!stops.cancel.aborted) await ringCalls(core, await countRings(core.database, owned, [owned.callId]), delayMs);
    if (!signal.aborted) throw error;
  } finally {
    core.bus.publish(topics.called(owned.tenantId, owned.runId));
  }
}

/** A result that was paid for is written again and again while database or object store are away, for as long as the lease holds. */
async function keep(core: Core, owned: CallClaim, result: CallResult, lost: AbortSignal): Promise<void> {
  const write = async (): Promise<void> => {
    await putTexts(core, owned, result.snapshots);
    await finishCall(core.database, owned, result.state, result.observation);
  };
  await whileHeld({ lost, pollMs: core.settings.pollMs }, write, (fault) => fault instanceof Unavailable);
}
