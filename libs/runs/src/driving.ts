import { InvalidState, messageOf, Unavailable } from '#errors';
import { traceIdOf } from '#platform';
import { topics } from './bus.ts';
import type { Answering, Ring } from './doorbell/doorbell.ts';
import { handBacks, runClaims, runsInFlight } from './instruments.ts';
import type { Membership } from './membership.ts';
import { ObjectsAway } from './objects/object-store.ts';
import { type AnswerSettings, answerOptions, type Core } from './ports.ts';
import type { Claim } from './store/claims.ts';
import type { Commit, Committed, HandedBack } from './store/ledger.ts';
import { whileHeld } from './while-held.ts';

/** Drives a claimed run as far as it goes. `now` fires when it must stop in the middle of a step. */
export type DriveRun = (claim: Claim, now: AbortSignal) => Promise<void>;

/** Answers run rings; see `Runs.answerRuns`. */
export async function answerRuns(
  core: Core,
  member: Membership,
  settings: AnswerSettings,
  drive: DriveRun,
): Promise<Answering> {
  const answer = async ({ tenantId, runId }: Ring, closing: AbortSignal): Promise<void> => {
    const owned = await core.claims.claim({ tenantId, runId, workerId: member.workerId });
    if (owned === null) return;
    runClaims.add(1);
    runsInFlight.add(1);
    core.bus.publish(topics.moved(tenantId, runId));
    const now = AbortSignal.any([closing, member.lost]);
    const fault = await drive(owned, now).then(
      () => null,
      (error: unknown) => error,
    );
    // Told at once: a run that failed because the database is full cannot be handed back until there is room.
    if (fault !== null) settings.onFault?.(fault, { runId, traceId: traceIdOf(owned.traceparent) });
    if (!settled.has(owned)) await handBack(core, owned, backFrom(core, fault, now), member.lost);
    runsInFlight.add(-1);
  };
  return await core.doorbell.answer('runs', answer, answerOptions(core, settings));
}

/** Claims whose run was ended or put off under them: there is nothing to hand back, and asking would cost a commit. */
const settled = new WeakSet<Claim>();

/** Commits to a run and tells whoever listens. */
export async function commit(core: Core, owner: Claim, what: Commit): Promise<Committed> {
  const committed = await core.ledger.commit(owner, what);
  if (committed.accepted) core.bus.publish(topics.moved(owner.tenantId, owner.runId));
  if (committed.accepted && what.outcome !== undefined) {
    core.bus.publish(topics.backlog);
    settled.add(owner);
    const { outcome } = what;
    // Whatever is given back by this file is counted here, too, and with its own reason.
    const isBusy = outcome.state === 'queued' && outcome.afterMs !== undefined && outcome.lostReply === undefined;
    if (isBusy) handBacks.add(1, { reason: 'busy' });
  }
  return committed;
}

/**
 * A store that went away says nothing about the run: it goes on at once when the database is back. Without the object store
 * it would be claimed and fail again at once, so that it waits.
 */
function backFrom({ settings }: Core, fault: unknown, now: AbortSignal): HandedBack {
  const lostReply = fault !== null || now.aborted;
  const blamed = fault !== null && !(fault instanceof Unavailable) && !now.aborted;
  const later = fault instanceof ObjectsAway && !now.aborted ? { afterMs: settings.relookMs } : {};
  return { state: 'queued', lostReply, ...later, ...(blamed ? { fault: messageOf(fault) } : {}) };
}

function reasonOf({ fault, lostReply }: HandedBack): 'fault' | 'step' | 'boundary' {
  if (fault !== undefined) return 'fault';
  return lostReply ? 'step' : 'boundary';
}

/**
 * Gives up a run that has not ended; refused, and so without effect, for one that has. Repeated while the database is
 * away, for as long as the lease holds; after that others take over.
 */
async function handBack(core: Core, owned: Claim, outcome: HandedBack, lost: AbortSignal): Promise<void> {
  const write = async (): Promise<void> => {
    const { accepted } = await commit(core, owned, { events: [], outcome });
    if (accepted) handBacks.add(1, { reason: reasonOf(outcome) });
  };
  const hold = { lost, pollMs: core.settings.pollMs };
  // A process that has closed its stores renews no lease: that does the rest.
  await whileHeld(hold, write, (fault) => !(fault instanceof InvalidState)).catch(() => undefined);
}
