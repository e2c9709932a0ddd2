import type { PlacedCall, ToolOutcome } from '#domain';
import { InvalidState, NotFound } from '#errors';
import { ApiKeys, type KeySettings } from './access/api-keys.ts';
import { Accounts } from './accounts.ts';
import { type Bus, topics } from './bus.ts';
import { answerCalls, type CallSettings, callTools, type PerformCall, ringCalls } from './calling.ts';
import { CorpusShelf } from './corpora/shelf.ts';
import { type Delta, DeltaWriter, followDeltas } from './deltas.ts';
import type { Answering } from './doorbell/doorbell.ts';
import { answerRuns, commit, type DriveRun } from './driving.ts';
import { EvidenceSweep } from './evidence/sweep.ts';
import { forget, Retention } from './forgetting.ts';
import { Membership } from './membership.ts';
import { type AnswerSettings, type Core, coreOf, type RunsPorts, ringOrLose } from './ports.ts';
import { Overview } from './scaling/overview.ts';
import { fleetSettings, type RunsSettings } from './settings.ts';
import { type Acceptance, Acceptances, type Accepted, standingRun } from './store/accept.ts';
import { getTexts } from './store/blobs.ts';
import { takeStrandedCalls } from './store/call-rings.ts';
import { type Census, takeCensus } from './store/census.ts';
import type { Claim } from './store/claims.ts';
import type { Statements } from './store/database.ts';
import { flagCancel, isCancelFlagged } from './store/flags.ts';
import type { Removal } from './store/forget.ts';
import { type History, readHistory } from './store/history.ts';
import type { Commit, Committed } from './store/ledger.ts';
import { endCancelledUnstarted, endHopeless, putBackStranded, type RunKey, takeDue } from './store/sweep.ts';
import {
  getRun,
  getStanding,
  listRuns,
  type Position,
  type RunPage,
  type RunRecord,
  type RunView,
  readAllEvents,
  readPositions,
  type Standing,
  type StoredEvent,
} from './store/views.ts';
import { dropDuty, forgetDeadWorkers, takeDuty, type Worker } from './store/workers.ts';
import { Tenants } from './tenants.ts';
import { Watching } from './watching.ts';

/** What a look of the reconciler put back on its way. */
export interface Reconciled {
  readonly runs: number;
  readonly calls: number;
  /** Runs that went because their tenants keep them no longer. */
  readonly forgotten: number;
}

/** The duty of dispatching, which one worker has at a time. */
const dispatching = 'dispatching';

/** Rings on their way to Redis together: one after the other is ten times slower. Their order stays. */
const ringsAtOnce = 100;

/** Owns the life of every run. Nobody else knows that SQL or BullMQ are there. */
export class Runs {
  readonly #core: Core;
  readonly #sweep: EvidenceSweep;
  readonly #retention: Retention;
  readonly #acceptances: Acceptances;
  readonly #watching: Watching;
  /** Uploaded folders, which runs may search. */
  readonly corpora: CorpusShelf;
  /** Whose runs they are. */
  readonly tenants: Tenants;
  /** All of the fleet at once, for its administrator. */
  readonly overview: Overview;
  /** What they took. */
  readonly accounts: Accounts;

  constructor(ports: RunsPorts, settings: RunsSettings = fleetSettings()) {
    this.#core = coreOf(ports, settings);
    this.#acceptances = new Acceptances((tenantId) => this.#door(tenantId));
    this.#watching = new Watching(this.#core);
    this.#sweep = new EvidenceSweep(ports.database, settings.evidenceBytes);
    this.#retention = new Retention(this.#core);
    this.corpora = new CorpusShelf(this.#core);
    this.tenants = new Tenants(ports.database);
    this.overview = new Overview(ports.database);
    this.accounts = new Accounts(ports.database);
  }

  /** Small state that a fleet shares, for whoever the app hands it to. */
  get bus(): Bus {
    return this.#core.bus;
  }

  /** Keys of all tenants; close them before the stores. */
  keys(settings: KeySettings): ApiKeys {
    return new ApiKeys(this.#core.database, this.#core.bus, settings);
  }

  /** Makes a request a run; once it returns, nothing short of a lost database loses it. @throws IdempotencyConflict */
  async accept(acceptance: Acceptance): Promise<Accepted> {
    const accepted = await this.#acceptances.accept(acceptance);
    this.#core.bus.publish(topics.backlog);
    return accepted;
  }

  /** The run that a request of this hash made under a key in the last 24 hours, or null. @throws IdempotencyConflict */
  async acceptedBefore(tenantId: string, key: string, requestSha256: string): Promise<string | null> {
    return await standingRun(this.#door(tenantId), tenantId, key, requestSha256);
  }

  /** @throws NotFound */
  async get(tenantId: string, runId: string): Promise<RunRecord> {
    return (await getRun(this.#door(tenantId), tenantId, runId)) ?? refuse(runId);
  }

  /** Where a run stands, and nothing else of it. @throws NotFound */
  async standing(tenantId: string, runId: string): Promise<Standing> {
    return (await getStanding(this.#door(tenantId), tenantId, runId)) ?? refuse(runId);
  }

  /** What a run is the replay of, up to its last committed step. @throws NotFound */
  async history(tenantId: string, runId: string): Promise<History> {
    return (await readHistory(this.#door(tenantId), tenantId, runId)) ?? refuse(runId);
  }

  async list(tenantId: string, which: RunPage): Promise<RunView[]> {
    return await listRuns(this.#door(tenantId), tenantId, which);
  }

  /** Durable events up to now, all of them. */
  async eventsSoFar(tenantId: string, runId: string): Promise<StoredEvent[]> {
    return await readAllEvents(this.#door(tenantId), tenantId, runId);
  }

  /**
   * Durable events after number `after`, as they come, until the run has ended or the signal fires. Never a gap or a
   * repeat; the last one is the terminal event. All who watch a run in this process share its looks at the database.
   */
  events(tenantId: string, runId: string, after: number, signal: AbortSignal): AsyncGenerator<StoredEvent> {
    return this.#watching.events({ tenantId, runId }, after, signal);
  }

  /** The same, as many at a time as there are: a watcher that is behind catches up at once. */
  eventBatches(run: Pick<Claim, 'tenantId' | 'runId'>, after: number, signal: AbortSignal) {
    return this.#watching.batches(run, after, signal);
  }

  /** How far the durable events of a run go. @throws NotFound */
  async position(tenantId: string, runId: string): Promise<Position> {
    return (await readPositions(this.#door(tenantId), tenantId, [runId])).get(runId) ?? refuse(runId);
  }

  /** Asks for the end of a run, at once or at its owner's next look. @throws NotFound; InvalidState where it has ended */
  async requestCancel(tenantId: string, runId: string): Promise<void> {
    if (!(await flagCancel(this.#door(tenantId), tenantId, runId))) {
      const { status } = await this.get(tenantId, runId);
      throw new InvalidState(`Run ${runId} is ${status}; only a run that has not ended can be cancelled.`);
    }
    this.#core.bus.publish(topics.flagged(tenantId, runId));
    this.#tell(await endCancelledUnstarted(this.#door(tenantId)));
  }

  /**
   * Removes a run for good, with all that only it has; work on it that is under way is stopped. What it had spent counts on.
   * @throws NotFound
   */
  async forget(run: RunKey & Removal): Promise<void> {
    if (!(await forget(this.#core, run))) refuse(run.runId);
  }

  /** Calls back when the run's flags may have changed. @returns ends the subscription */
  onFlag({ tenantId, runId }: Claim, listener: () => void): () => void {
    return this.#core.bus.subscribe(topics.flagged(tenantId, runId), listener);
  }

  /** Reads only the cancel flag. */
  async cancelRequested({ tenantId, runId }: Claim): Promise<boolean> {
    return await isCancelFlagged(this.#core.database, tenantId, runId);
  }

  /**
   * Takes or keeps the duty to dispatch and reconcile, for the time of a lease. Two that have it at once do no harm,
   * they only do the work twice. @returns whether `workerId` has it
   */
  async leads(workerId: string): Promise<boolean> {
    return await takeDuty(this.#core.database, dispatching, workerId, this.#core.settings.leaseMs);
  }

  /** Gives the duty up, so that another has it at once. */
  async resign(workerId: string): Promise<void> {
    await dropDuty(this.#core.database, dispatching, workerId);
  }

  /** Rings for as many runs of the backlog as the living agent workers have free slots. @returns how many */
  async dispatch(): Promise<number> {
    const due = await takeDue(this.#core.database);
    for (let at = 0; at < due.length; at += ringsAtOnce) {
      const some = due.slice(at, at + ringsAtOnce).map(async ({ epoch, rings, ...run }) => {
        await ringOrLose(this.#core, { bell: 'runs', ...run, key: `${run.runId}-${epoch}-${rings}` });
      });
      await Promise.all(some);
    }
    return due.length;
  }

  /**
   * Puts back on its way whatever should move and does not: runs whose owner is gone, rings that nobody answered, calls
   * of lost tool workers, runs to be cancelled that nobody owns, runs that keep killing their workers. Removes what is not
   * kept any longer. Safe to do anywhere, and twice at once.
   */
  async reconcile(): Promise<Reconciled> {
    const { database, settings, bus } = this.#core;
    const runs = await putBackStranded(database, settings.relookMs);
    const calls = await takeStrandedCalls(database, settings.relookMs);
    await ringCalls(this.#core, calls);
    await this.#endUnowned();
    await this.corpora.reconcile();
    await forgetDeadWorkers(database);
    await this.#sweep.ifDue();
    const forgotten = await this.#retention.ifDue();
    if (runs > 0) bus.publish(topics.backlog);
    return { runs, calls: calls.length, forgotten };
  }

  /** How the fleet stands. */
  async census(): Promise<Census> {
    return await takeCensus(this.#core.database);
  }

  /** Begins a worker's membership; its id, which no earlier one had, names it in leases and claims. @throws Unavailable */
  async join(worker: Worker): Promise<Membership> {
    const member = await Membership.begin(this.#core.database, worker, this.#core.settings.leaseMs);
    if (worker.slots > 0) this.#core.bus.publish(topics.backlog);
    return member;
  }

  /**
   * Answers run rings: each is claimed first, and a ring with nothing to claim ends quietly. Whatever `drive` left
   * unfinished is handed back when it returns, and waits for `relookMs` when it threw.
   */
  async answerRuns(member: Membership, settings: AnswerSettings, drive: DriveRun): Promise<Answering> {
    return await answerRuns(this.#core, member, settings, drive);
  }

  /** Commits to a run; clients are told afterwards. A refusal means that the run has another owner now. */
  async commit(owner: Claim, what: Commit): Promise<Committed> {
    return await commit(this.#core, owner, what);
  }

  /** Passes on the text of one step as a model writes it; nothing depends on it. */
  deltas(owner: Claim, step: number): DeltaWriter {
    return new DeltaWriter(this.#core, owner, step);
  }

  /** Calls back with the text of the step that is being written, from its beginning. @returns ends the subscription */
  onDelta(tenantId: string, runId: string, listener: (delta: Delta) => void): () => void {
    return followDeltas(this.#core, { tenantId, runId }, listener);
  }

  /**
   * Has recorded calls performed, wherever the tool workers are, and gathers their outcomes in order. Calls that have a
   * result are not performed again. Returns early, with null, when the signal fires or the run's end was asked for, and
   * with late outcomes for those that are not there when `late` fires.
   */
  async callTools(
    owner: Claim,
    calls: readonly PlacedCall[],
    signal: AbortSignal,
    late: AbortSignal | null = null,
  ): Promise<ToolOutcome[] | null> {
    return await callTools(this.#core, owner, calls, { signal, late });
  }

  /** Answers call rings of the kinds that the worker takes. A throw of `perform` gives the call back for a later ring. */
  async answerCalls(member: Membership, settings: CallSettings, perform: PerformCall): Promise<Answering> {
    return await answerCalls(this.#core, member, settings, perform);
  }

  /** Snapshot texts of a tenant by sha256; unknown hashes are left out. */
  async texts(tenantId: string, hashes: readonly string[]): Promise<Map<string, string>> {
    return await getTexts({ ...this.#core, database: this.#door(tenantId) }, tenantId, hashes);
  }

  async #endUnowned(): Promise<void> {
    const { database } = this.#core;
    this.#tell([...(await endCancelledUnstarted(database)), ...(await endHopeless(database))]);
  }

  #tell(moved: readonly RunKey[]): void {
    for (const { tenantId, runId } of moved) this.#core.bus.publish(topics.moved(tenantId, runId));
  }

  /** For all that a client asks. */
  #door(tenantId: string): Statements {
    return this.#core.database.forTenant(tenantId);
  }
}

/** @throws NotFound */
function refuse(runId: string): never {
  throw new NotFound(`There is no run ${runId}.`);
}
