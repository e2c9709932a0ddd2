import { setTimeout as sleep } from 'node:timers/promises';
import { isTerminal, type Observation, type PlacedCall, type ToolOutcome } from '#domain';
import { InvalidState, NotFound, Unavailable } from '#errors';
import { awaitHint, type Bus, topics } from './bus.ts';
import type { Answering, Doorbell, Ring } from './doorbell/doorbell.ts';
import { Membership } from './membership.ts';
import { fleetSettings, type RunsSettings } from './settings.ts';
import { type Acceptance, accept } from './store/accept.ts';
import { getTexts, putTexts } from './store/blobs.ts';
import {
  type CallClaim,
  claimCall,
  countRings,
  finishCall,
  outcomesOf,
  readCalls,
  releaseCall,
} from './store/calls.ts';
import { type Claim, claim } from './store/claims.ts';
import type { Database } from './store/database.ts';
import { flagCancel, isCancelFlagged } from './store/flags.ts';
import { type Commit, type Committed, Ledger } from './store/ledger.ts';
import { callIdOf } from './store/log.ts';
import { endCancelledUnstarted, putBackStranded, takeDue } from './store/sweep.ts';
import { getRun, hasEnded, listRuns, type RunView, readEvents, type StoredEvent } from './store/views.ts';

/** What came of a tool call: `unknown` when a side effect may or may not have happened. */
export interface CallResult {
  readonly state: 'done' | 'unknown';
  readonly observation: Observation;
  /** Texts that the observation's passages point into, by sha256. */
  readonly snapshots: ReadonlyMap<string, string>;
}

/** Where a runs library finds its stores. */
export interface RunsPorts {
  readonly database: Database;
  readonly doorbell: Doorbell;
  readonly bus: Bus;
}

/** Owns the life of every run. Nobody else knows that SQL or BullMQ are there. */
export class Runs {
  readonly #database: Database;
  readonly #doorbell: Doorbell;
  readonly #bus: Bus;
  readonly #ledger: Ledger;
  readonly #settings: RunsSettings;

  constructor(ports: RunsPorts, settings: RunsSettings = fleetSettings) {
    this.#database = ports.database;
    this.#doorbell = ports.doorbell;
    this.#bus = ports.bus;
    this.#ledger = new Ledger(ports.database);
    this.#settings = settings;
  }

  /** Small state that a fleet shares, for whoever the app hands it to. */
  get bus(): Bus {
    return this.#bus;
  }

  /**
   * Makes a request a run. Resolves after the commit: from then on nothing short of a lost database loses it.
   * @throws IdempotencyConflict
   */
  async accept(acceptance: Acceptance): Promise<{ runId: string; fresh: boolean }> {
    const accepted = await accept(this.#database, acceptance);
    this.#bus.publish(topics.backlog);
    return accepted;
  }

  /** @throws NotFound */
  async get(tenantId: string, runId: string): Promise<RunView> {
    const run = await getRun(this.#database, tenantId, runId);
    if (run === null) throw new NotFound(`There is no run ${runId}.`);
    return run;
  }

  async list(tenantId: string, before: string | null, limit: number): Promise<RunView[]> {
    return await listRuns(this.#database, tenantId, before, limit);
  }

  /**
   * Durable events after number `after`, as they come, until the run has ended or the signal fires. Never a gap, never a
   * repeat; the last one is the terminal event.
   */
  async *events(tenantId: string, runId: string, after: number, signal: AbortSignal): AsyncGenerator<StoredEvent> {
    let last = after;
    while (!signal.aborted) {
      const hint = awaitHint(this.#bus, topics.moved(tenantId, runId), this.#settings.pollMs, signal);
      try {
        const events = await readEvents(this.#database, tenantId, runId, last);
        yield* events;
        const latest = events.at(-1);
        if (latest !== undefined) {
          if (isTerminal(latest.type)) return;
          last = latest.seq;
          continue;
        }
        if (await hasEnded(this.#database, tenantId, runId)) {
          // Whatever was committed between the look and the end.
          yield* await readEvents(this.#database, tenantId, runId, last);
          return;
        }
        await hint.came;
      } finally {
        hint.drop();
      }
    }
  }

  /**
   * Asks for the end of a run: at once when nobody works on it, else at its owner's next look.
   * @throws NotFound; InvalidState when it has ended already
   */
  async requestCancel(tenantId: string, runId: string): Promise<void> {
    if (!(await flagCancel(this.#database, tenantId, runId))) {
      const { status } = await this.get(tenantId, runId);
      throw new InvalidState(`Run ${runId} is ${status}; only a run that has not ended can be cancelled.`);
    }
    this.#bus.publish(topics.flagged(tenantId, runId));
    await this.#endCancelledUnstarted();
  }

  /** Calls back when the run's flags may have changed. @returns ends the subscription */
  onFlag({ tenantId, runId }: Claim, listener: () => void): () => void {
    return this.#bus.subscribe(topics.flagged(tenantId, runId), listener);
  }

  /** Reads only the cancel flag. */
  async cancelRequested({ tenantId, runId }: Claim): Promise<boolean> {
    return await isCancelFlagged(this.#database, tenantId, runId);
  }

  /** Rings for as many runs of the backlog as the window has room. @returns how many */
  async dispatch(window: number): Promise<number> {
    const due = await takeDue(this.#database, window);
    for (const { tenantId, runId, epoch, rings } of due) {
      await this.#ring({ bell: 'runs', tenantId, runId, key: `${runId}-${epoch}-${rings}` });
    }
    return due.length;
  }

  /** Puts back into the backlog whatever should move and does not. @returns how many */
  async reconcile(): Promise<number> {
    const stranded = await putBackStranded(this.#database, this.#settings.relookMs);
    await this.#endCancelledUnstarted();
    if (stranded > 0) this.#bus.publish(topics.backlog);
    return stranded;
  }

  /** Begins a worker's membership; its id names it in leases and claims. */
  async join(workerId: string, role: string): Promise<Membership> {
    return await Membership.begin(this.#database, workerId, role, this.#settings.leaseMs);
  }

  /**
   * Answers run rings: each is claimed first, and a ring with nothing to claim ends quietly. Whatever `drive` left
   * unfinished is handed back when it returns, and waits for `relookMs` when it threw.
   */
  async answerRuns(
    member: Membership,
    concurrency: number,
    drive: (claim: Claim, signal: AbortSignal) => Promise<void>,
  ): Promise<Answering> {
    const answer = async ({ tenantId, runId }: Ring, closing: AbortSignal): Promise<void> => {
      const owned = await claim(this.#database, tenantId, runId, member.workerId);
      if (owned === null) return;
      this.#bus.publish(topics.moved(tenantId, runId));
      let failed = true;
      try {
        await drive(owned, AbortSignal.any([closing, member.lost]));
        failed = false;
      } finally {
        await this.#handBack(owned, failed, member.lost);
      }
    };
    return await this.#doorbell.answer('runs', answer, { concurrency });
  }

  /** Commits to a run; clients are told afterwards. A refusal means that the run has another owner now. */
  async commit(owner: Claim, commit: Commit): Promise<Committed> {
    const committed = await this.#ledger.commit(owner, commit);
    if (committed.accepted) this.#bus.publish(topics.moved(owner.tenantId, owner.runId));
    if (committed.accepted && commit.outcome !== undefined) this.#bus.publish(topics.backlog);
    return committed;
  }

  /** Passes on text as a model writes it; lost when nobody listens. */
  publishDelta({ tenantId, runId }: Claim, text: string): void {
    this.#bus.publish(topics.delta(tenantId, runId), text);
  }

  /**
   * Has recorded calls performed, wherever the tool workers are, and gathers their outcomes in order. Calls that have a
   * result are not performed again. Returns early, with null, when the signal fires.
   */
  async callTools(owner: Claim, calls: readonly PlacedCall[], signal: AbortSignal): Promise<ToolOutcome[] | null> {
    const { tenantId, runId } = owner;
    const ids = calls.map((call) => callIdOf(runId, call));
    let rungAt = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      const hint = awaitHint(this.#bus, topics.called(tenantId, runId), this.#settings.pollMs, signal);
      try {
        const outcomes = outcomesOf(calls, ids, await readCalls(this.#database, tenantId, runId, ids));
        if (outcomes !== null) return outcomes;
        if (performance.now() - rungAt > this.#settings.relookMs) {
          await this.#ringCalls(owner, ids);
          rungAt = performance.now();
        }
        await hint.came;
      } finally {
        hint.drop();
      }
    }
    return null;
  }

  /** Answers call rings. A throw of `perform` gives the call back for a later ring. */
  async answerCalls(
    member: Membership,
    concurrency: number,
    perform: (claim: CallClaim, signal: AbortSignal) => Promise<CallResult>,
  ): Promise<Answering> {
    const answer = async ({ tenantId, runId, callId = '' }: Ring, closing: AbortSignal): Promise<void> => {
      const owned = await claimCall(this.#database, { tenantId, runId, callId }, member.workerId);
      if (owned !== null) await this.#perform(owned, perform, AbortSignal.any([closing, member.lost]));
    };
    return await this.#doorbell.answer('calls', answer, { concurrency });
  }

  /** Snapshot texts of a tenant by sha256; unknown hashes are left out. */
  async texts(tenantId: string, hashes: readonly string[]): Promise<Map<string, string>> {
    return await getTexts(this.#database, tenantId, hashes);
  }

  async #perform(
    owned: CallClaim,
    perform: (claim: CallClaim, signal: AbortSignal) => Promise<CallResult>,
    closing: AbortSignal,
  ): Promise<void> {
    const cancel = new AbortController();
    const unsubscribe = this.#bus.subscribe(topics.flagged(owned.tenantId, owned.runId), () => {
      cancel.abort('the run was cancelled');
    });
    try {
      const result = await perform(owned, AbortSignal.any([closing, cancel.signal]));
      await putTexts(this.#database, owned.tenantId, result.snapshots);
      await finishCall(this.#database, owned, result.state, result.observation);
    } catch (error) {
      await releaseCall(this.#database, owned);
      if (!cancel.signal.aborted && !closing.aborted) throw error;
    } finally {
      unsubscribe();
      this.#bus.publish(topics.called(owned.tenantId, owned.runId));
    }
  }

  /**
   * Gives up a run that has not ended. `later`: one that made its driver fail, which would otherwise come back at once,
   * again and again. Repeated while the database is away, for as long as the lease holds; after that others take over.
   */
  async #handBack(owned: Claim, later: boolean, lost: AbortSignal): Promise<void> {
    while (!lost.aborted) {
      try {
        await this.commit(owned, { events: [], outcome: { state: 'queued', later } });
        return;
      } catch (error) {
        if (!lost.aborted) await sleep(this.#settings.pollMs);
        else throw error;
      }
    }
  }

  async #ringCalls({ tenantId, runId }: Claim, callIds: readonly string[]): Promise<void> {
    for (const { callId, rings } of await countRings(this.#database, tenantId, runId, callIds)) {
      await this.#ring({ bell: 'calls', tenantId, runId, callId, key: `${callId}-${rings}` });
    }
  }

  /** A bell that is away is a lost ring, no more: whatever it was for is rung again when nothing came of it. */
  async #ring(ring: Ring): Promise<void> {
    try {
      await this.#doorbell.ring(ring);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
    }
  }

  async #endCancelledUnstarted(): Promise<void> {
    for (const { tenantId, runId } of await endCancelledUnstarted(this.#database)) {
      this.#bus.publish(topics.moved(tenantId, runId));
    }
  }
}
