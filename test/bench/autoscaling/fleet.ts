import { Books, type Story } from './books.ts';
import { EventQueue } from './events.ts';
import { demandOf, leave, seat } from './inference.ts';
import { jobOf, turnMs, Waiting } from './jobs.ts';
import type { Job, Pod } from './parts.ts';
import { type PodEvents, PodSet, type PodTimes, type Scaler, type Seen } from './pods.ts';
import { type Arrivals, dice, serviceMs } from './traces.ts';

const tenants = 4;
const hour = 3_600_000;
const roundMs = 15_000;
/** A metrics server reads so long after a round: what a scaler sees of it is almost as old as its rounds are long. */
const scrapeOffsetMs = 2_000;
/** A run that no group had room for comes back after this. */
const refusedMs = 60_000;
/** What has not ended so long after the last arrival never will. */
const patienceMs = 24 * hour;

/** One scaled-down world; both tiers under scalers of one make. */
export interface World {
  readonly arrivals: Arrivals;
  readonly agents: PodTimes;
  readonly groups: PodTimes;
  /** Jobs of a worker that ends go on elsewhere from their next turn, rather than run to their end in its grace. */
  readonly handsOver: boolean;
  /** A worker takes one job and ends with it. */
  readonly podPerJob: boolean;
  /** More runs are never in work at a time. */
  readonly mostRuns: number;
  /** Whether a scaler asks where the work is kept, or sees what a metrics server read before. */
  readonly metrics: 'asked' | 'scraped';
  /** No metrics within these. */
  readonly outages: readonly (readonly [fromMs: number, toMs: number])[];
}

export type Tier = 'agents' | 'groups';
export type Scalers = Readonly<Record<Tier, Scaler>>;

/** Plays one world from its first arrival until all that can end has ended. The same seed gives the same story. */
export function play(world: World, scalers: Scalers, seed: number): Story {
  return new Fleet(world, scalers, seed).run();
}

class Fleet {
  private readonly world: World;
  private readonly scalers: Scalers;
  private readonly events = new EventQueue<(nowMs: number) => void>();
  private readonly agents: PodSet;
  private readonly groups: PodSet;
  private readonly waiting = new Waiting(tenants);
  private readonly held = Array<number>(tenants).fill(0);
  private readonly jobs: readonly Job[];
  private readonly books: Books;
  private seen: Partial<Record<Tier, Seen>> = {};
  private refused = 0;
  private finished = 0;
  private nowMs = 0;

  constructor(world: World, scalers: Scalers, seed: number) {
    this.world = world;
    this.scalers = scalers;
    const random = dice(seed);
    this.jobs = world
      .arrivals(random)
      .map((atMs) => jobOf(atMs, Math.floor(tenants * random() ** 2), serviceMs(random)));
    const later = (atMs: number, what: (nowMs: number) => void): void => this.events.add(atMs, what);
    const workers: PodEvents = { ready: () => this.dispatch(), kill: (pod) => this.killWorker(pod) };
    const groups: PodEvents = { ready: () => undefined, kill: (pod) => this.killGroup(pod) };
    this.agents = new PodSet(world.agents, { later, market: dice(seed + 1_000), told: workers });
    this.groups = new PodSet(world.groups, { later, market: dice(seed + 2_000), told: groups });
    this.books = new Books(this.jobs, { agents: this.agents, groups: this.groups });
  }

  run(): Story {
    const until = (this.jobs.at(-1)?.acceptedAtMs ?? 0) + patienceMs;
    for (const job of this.jobs) this.events.add(job.acceptedAtMs, () => this.arrive(job));
    this.every(roundMs, 0, () => this.scale());
    if (this.world.metrics === 'scraped') this.every(roundMs, scrapeOffsetMs, () => this.scrape());
    while (this.finished < this.jobs.length) {
      const next = this.events.next();
      if (next === undefined || next.atMs > until) break;
      this.books.pass(this.nowMs, next.atMs);
      this.nowMs = next.atMs;
      next.event(next.atMs);
    }
    return this.books.close(this.nowMs);
  }

  private every(periodMs: number, offsetMs: number, what: () => void): void {
    const again = (nowMs: number): void => {
      what();
      this.events.add(nowMs + periodMs, again);
    };
    this.events.add(offsetMs, again);
  }

  private arrive(job: Job): void {
    this.books.arrived++;
    this.waiting.add(job, this.nowMs, false);
    this.dispatch();
  }

  /** The emptiest worker takes the next job. */
  private dispatch(): void {
    const { slots } = this.world.agents;
    const open = this.agents.open(this.nowMs).filter(({ jobs }) => jobs.length < slots);
    while (open.length > 0) {
      const job = this.waiting.take(this.held);
      if (job === undefined) return;
      const worker = open.reduce((least, other) => (other.jobs.length < least.jobs.length ? other : least));
      this.begin(job, worker);
      if (worker.jobs.length >= slots) open.splice(open.indexOf(worker), 1);
    }
  }

  private begin(job: Job, worker: Pod): void {
    job.waitedMs += this.nowMs - job.queuedAtMs;
    job.state = 'running';
    job.worker = worker;
    worker.jobs.push(job);
    this.held[job.tenant] = (this.held[job.tenant] ?? 0) + 1;
    this.turn(job);
  }

  /** A turn takes as long as the load of its group at its beginning says. */
  private turn(job: Job): void {
    const workMs = Math.min(turnMs, job.workMs - job.doneMs);
    const slowMs = seat(job, this.groups, workMs, this.nowMs);
    if (slowMs === undefined) {
      this.refuse(job);
      return;
    }
    this.books.slowMs += slowMs;
    const turn = ++job.turn;
    job.beganMs = this.nowMs;
    this.events.add(this.nowMs + workMs + slowMs, () => {
      if (job.turn === turn) this.endTurn(job, workMs);
    });
  }

  private endTurn(job: Job, workMs: number): void {
    job.doneMs += workMs;
    const leaves = job.worker?.ending !== undefined && this.world.handsOver;
    if (job.doneMs >= job.workMs) this.finish(job);
    else if (leaves) this.handOver(job);
    else this.turn(job);
    this.dispatch();
  }

  private handOver(job: Job): void {
    this.books.handOvers++;
    this.vacate(job);
    this.waiting.add(job, this.nowMs, true);
  }

  private finish(job: Job): void {
    const { worker } = job;
    this.vacate(job);
    leave(job, this.groups, this.nowMs);
    job.state = 'done';
    this.finished++;
    if (!this.world.podPerJob || worker === undefined || worker.ending !== undefined) return;
    this.agents.replicas--;
    this.agents.end(worker, this.nowMs);
  }

  /** No group has room: the run leaves its slot and comes back. */
  private refuse(job: Job): void {
    this.vacate(job);
    job.state = 'refused';
    job.queuedAtMs = this.nowMs;
    this.refused++;
    this.books.refusals++;
    this.events.add(this.nowMs + refusedMs, () => {
      this.refused--;
      job.waitedMs += this.nowMs - job.queuedAtMs;
      this.waiting.add(job, this.nowMs, true);
      this.dispatch();
    });
  }

  private vacate(job: Job): void {
    const { worker } = job;
    if (worker === undefined) throw new Error('it has no slot');
    worker.jobs.splice(worker.jobs.indexOf(job), 1);
    job.worker = undefined;
    job.turn++;
    this.held[job.tenant] = (this.held[job.tenant] ?? 0) - 1;
    this.agents.remove(worker, this.nowMs);
  }

  /** Without a hand-over the work since a job's start is lost, with it that of its turn. */
  private killWorker(pod: Pod): void {
    for (const job of [...pod.jobs]) {
      this.books.kill(this.nowMs - job.beganMs + (this.world.handsOver ? 0 : job.doneMs));
      if (!this.world.handsOver) {
        job.doneMs = 0;
        leave(job, this.groups, this.nowMs);
      }
      this.vacate(job);
      this.waiting.add(job, this.nowMs, true);
    }
    this.dispatch();
  }

  /** A turn that a group breaks off is made again elsewhere. */
  private killGroup(pod: Pod): void {
    for (const job of [...pod.jobs]) {
      leave(job, this.groups, this.nowMs);
      if (job.state !== 'running') continue;
      this.books.kill(this.nowMs - job.beganMs);
      this.turn(job);
    }
    this.dispatch();
  }

  private scrape(): void {
    if (this.world.outages.some(([from, to]) => this.nowMs >= from && this.nowMs < to)) {
      this.seen = {};
      return;
    }
    const active = this.held.reduce((sum, count) => sum + count, 0);
    const waiting = this.waiting.count;
    const totals = { atMs: this.nowMs, arrivedTotal: this.books.arrived, finishedTotal: this.finished };
    const oldestWaitMs = this.nowMs - this.waiting.oldestMs(this.nowMs);
    const sessions = this.groups.pods.reduce((sum, group) => sum + demandOf(group, this.world.groups.slots), 0);
    this.seen = {
      agents: { ...totals, waiting, active, fullPods: fullPods(this.agents), oldestWaitMs },
      groups: {
        ...totals,
        waiting: this.homeless(waiting, active, sessions),
        active: sessions,
        fullPods: fullPods(this.groups),
        oldestWaitMs: 0,
      },
    };
  }

  /** Runs that have no session yet: refused ones, those that are due, and those in work whose group is gone. */
  private homeless(waiting: number, active: number, sessions: number): number {
    const due = waiting + this.refused + Math.max(0, active - sessions);
    return Math.min(due, Math.max(0, this.world.mostRuns - sessions));
  }

  private scale(): void {
    if (this.world.metrics === 'asked') this.scrape();
    this.scalers.agents.look(this.agents, this.seen.agents, this.nowMs);
    this.scalers.groups.look(this.groups, this.seen.groups, this.nowMs);
    this.books.note(this.nowMs, this.scalers.agents.level(this.agents), this.waiting.count);
    this.dispatch();
  }
}

/** Share of the slots in use, added up over pods that stay. */
function fullPods({ pods, times }: PodSet): number {
  return pods.reduce((sum, { ending, jobs }) => sum + (ending === undefined ? jobs.length / times.slots : 0), 0);
}
