import { type Job, type Pod, PodSet, type PodTimes, type Scaler, type Seen } from './autoscaling-cluster.ts';
import { type Arrivals, dice, serviceMs } from './autoscaling-traces.ts';
import { percentile } from './result.ts';

const tickMs = 5_000;
/** Between two points at which a run may move to another worker. */
const stepMs = 45_000;
const tenants = 4;
const hour = 3_600_000;
/** A spot instance is taken away with this notice. */
const noticeMs = 120_000;
const sloMs = 300_000;

/** One scaled-down world; both tiers under scalers of one make. */
export interface World {
  readonly arrivals: Arrivals;
  readonly agents: PodTimes;
  /** Inference groups: `slots` runs at full speed; more share what is there. */
  readonly groups: PodTimes;
  readonly metricLagMs: number;
  /** No metrics within these. */
  readonly outages: readonly (readonly [fromMs: number, toMs: number])[];
  /** Pods lost to the market, each per hour. */
  readonly spotPerHour: number;
}

export interface Scalers {
  readonly agents: Scaler;
  readonly groups: Scaler;
}

/** What happened in one run of a world. */
export interface Story {
  readonly jobs: number;
  readonly waits: readonly number[];
  readonly unfairness: number;
  readonly podHours: number;
  readonly groupHours: number;
  readonly slowHours: number;
  readonly coldStarts: number;
  readonly kills: number;
  readonly lostHours: number;
  readonly handOvers: number;
  readonly changesPerHour: number;
  readonly missed: number;
  /** [hour, demand in pods, pods alive], every five minutes. */
  readonly line: readonly (readonly [number, number, number])[];
}

export function play(world: World, scalers: Scalers, seed: number): Story {
  return new Fleet(world, scalers, seed).run();
}

class Fleet {
  private readonly world: World;
  private readonly scalers: Scalers;
  private readonly market: () => number;
  private readonly coming: Job[];
  private readonly agents: PodSet;
  private readonly groups: PodSet;
  private readonly queue: Job[] = [];
  private readonly done: Job[] = [];
  private readonly past: Record<'agents' | 'groups', Seen[]> = { agents: [], groups: [] };
  private readonly line: [number, number, number][] = [];
  private arrived = 0;
  private podMs = 0;
  private groupMs = 0;
  private slowMs = 0;
  private kills = 0;
  private lostMs = 0;
  private handOvers = 0;

  constructor(world: World, scalers: Scalers, seed: number) {
    this.world = world;
    this.scalers = scalers;
    const random = dice(seed);
    this.market = dice(seed + 1_000);
    this.coming = world.arrivals(random).map((queuedAtMs) => {
      const tenant = Math.floor(tenants * random() ** 2);
      return { tenant, workMs: serviceMs(random), doneMs: 0, queuedAtMs, waitedMs: 0 };
    });
    this.agents = new PodSet(world.agents);
    this.groups = new PodSet(world.groups);
  }

  run(): Story {
    const count = this.coming.length;
    const until = (this.coming.at(-1)?.queuedAtMs ?? 0) + 48 * hour;
    let nowMs = 0;
    for (; this.done.length < count && nowMs < until; nowMs += tickMs) this.tick(nowMs);
    return this.told(nowMs / hour);
  }

  private tick(nowMs: number): void {
    while ((this.coming[0]?.queuedAtMs ?? Number.POSITIVE_INFINITY) <= nowMs) {
      const job = this.coming.shift();
      if (job !== undefined) this.queue.push(job);
      this.arrived++;
    }
    this.loseToMarket(nowMs);
    this.work(nowMs);
    this.end(nowMs);
    this.dispatch(nowMs);
    this.scale(nowMs);
    this.account(nowMs);
  }

  private loseToMarket(nowMs: number): void {
    const chance = (this.world.spotPerHour * tickMs) / hour;
    for (const pod of this.agents.pods) if (this.market() < chance) this.agents.end(pod, nowMs, noticeMs);
    this.agents.mend(nowMs);
  }

  private inWork(): number {
    return this.agents.pods.reduce((sum, pod) => sum + pod.jobs.length, 0);
  }

  /** All jobs go at one speed: that of their share of the inference tier. */
  private work(nowMs: number): void {
    const active = this.inWork();
    const capacity = this.groups.ready(nowMs).length * this.groups.times.slots;
    const progressMs = active === 0 ? 0 : tickMs * Math.min(1, capacity / active);
    this.slowMs += active * (tickMs - progressMs);
    for (const pod of this.agents.pods)
      for (const job of [...pod.jobs]) {
        const steps = Math.floor(job.doneMs / stepMs);
        job.doneMs += progressMs;
        if (job.doneMs >= job.workMs) this.finish(pod, job);
        else if (this.leaves(pod) && Math.floor(job.doneMs / stepMs) > steps) this.handOver(pod, job, nowMs);
      }
  }

  private leaves(pod: Pod): boolean {
    return pod.ending !== undefined && this.agents.times.handsOver;
  }

  private finish(pod: Pod, job: Job): void {
    pod.jobs.splice(pod.jobs.indexOf(job), 1);
    this.done.push(job);
  }

  private handOver(pod: Pod, job: Job, nowMs: number): void {
    pod.jobs.splice(pod.jobs.indexOf(job), 1);
    this.handOvers++;
    job.queuedAtMs = nowMs;
    this.queue.unshift(job);
  }

  private end(nowMs: number): void {
    for (const set of [this.agents, this.groups]) {
      for (const pod of set.pods.filter(({ ending }) => ending !== undefined)) {
        if (pod.ending !== undefined && nowMs >= pod.ending.killAtMs) this.kill(pod, nowMs);
        if (pod.jobs.length === 0) set.remove(pod);
      }
      set.sweepNodes(nowMs);
    }
  }

  /** Without a hand-over the work since its start is lost, with it the work since the last step. */
  private kill(pod: Pod, nowMs: number): void {
    for (const job of pod.jobs.splice(0)) {
      const kept = this.agents.times.handsOver ? job.doneMs - (job.doneMs % stepMs) : 0;
      this.kills++;
      this.lostMs += job.doneMs - kept;
      job.doneMs = kept;
      job.queuedAtMs = nowMs;
      this.queue.unshift(job);
    }
  }

  /** The emptiest pod takes the next job, of the tenant that has the fewest in work; what had begun comes first. */
  private dispatch(nowMs: number): void {
    const open = this.agents
      .ready(nowMs)
      .filter((pod) => pod.drainingSinceMs === undefined && pod.jobs.length < this.agents.times.slots);
    const held = Array<number>(tenants).fill(0);
    for (const pod of this.agents.pods) for (const { tenant } of pod.jobs) held[tenant] = (held[tenant] ?? 0) + 1;
    while (this.queue.length > 0 && open.length > 0) {
      const pod = open.reduce((least, other) => (other.jobs.length < least.jobs.length ? other : least));
      const job = this.takeNext(held);
      job.waitedMs += nowMs - job.queuedAtMs;
      held[job.tenant] = (held[job.tenant] ?? 0) + 1;
      pod.jobs.push(job);
      if (pod.jobs.length >= this.agents.times.slots) open.splice(open.indexOf(pod), 1);
    }
  }

  private takeNext(held: readonly number[]): Job {
    const begun = this.queue.findIndex(({ doneMs }) => doneMs > 0);
    const firsts = Array.from({ length: tenants }, (_, tenant) => this.queue.findIndex((job) => job.tenant === tenant));
    const fair = firsts
      .filter((index) => index >= 0)
      .reduce((least, index) => (load(this.queue[index]) < load(this.queue[least]) ? index : least));
    function load(job: Job | undefined): number {
      return held[job?.tenant ?? 0] ?? 0;
    }
    const [job] = this.queue.splice(begun >= 0 ? begun : fair, 1);
    if (job === undefined) throw new Error('nothing waits');
    return job;
  }

  private scale(nowMs: number): void {
    const active = this.inWork();
    const oldest = this.queue.reduce((least, { queuedAtMs }) => Math.min(least, queuedAtMs), nowMs);
    const totals = { atMs: nowMs, arrivedTotal: this.arrived, finishedTotal: this.done.length };
    this.past.agents.push({ ...totals, waiting: this.queue.length, active, oldestWaitMs: nowMs - oldest });
    const held = Math.min(active, this.groups.ready(nowMs).length * this.groups.times.slots);
    this.past.groups.push({ ...totals, waiting: active - held, active: held, oldestWaitMs: 0 });
    this.scalers.agents.look(this.agents, this.seen('agents', nowMs), nowMs);
    this.scalers.groups.look(this.groups, this.seen('groups', nowMs), nowMs);
  }

  private seen(tier: 'agents' | 'groups', nowMs: number): Seen | undefined {
    if (this.world.outages.some(([from, to]) => nowMs >= from && nowMs < to)) return undefined;
    const late = Math.round(this.world.metricLagMs / tickMs);
    return this.past[tier].at(-1 - late);
  }

  private account(nowMs: number): void {
    this.podMs += this.agents.pods.length * tickMs;
    this.groupMs += this.groups.pods.length * tickMs;
    if (nowMs % 300_000 !== 0) return;
    const demand = (this.inWork() + this.queue.length) / this.agents.times.slots;
    this.line.push([nowMs / hour, demand, this.agents.pods.length]);
  }

  private told(hours: number): Story {
    const waits = this.done.map(({ waitedMs }) => waitedMs / 1_000);
    return {
      jobs: this.done.length,
      waits,
      unfairness: unfairness(this.done),
      podHours: this.podMs / hour,
      groupHours: this.groupMs / hour,
      slowHours: this.slowMs / hour,
      coldStarts: this.agents.coldStarts + this.groups.coldStarts,
      kills: this.kills,
      lostHours: this.lostMs / hour,
      handOvers: this.handOvers,
      changesPerHour: (this.agents.changes + this.groups.changes) / hours,
      missed: waits.filter((wait) => wait * 1_000 > sloMs).length / Math.max(1, waits.length),
      line: this.line,
    };
  }
}

/** 95th percentile of the wait of the tenant that waits longest, by that of all. */
function unfairness(done: readonly Job[]): number {
  const p95 = (jobs: readonly Job[]): number =>
    percentile(
      jobs.map(({ waitedMs }) => waitedMs),
      0.95,
    );
  const each = Array.from({ length: tenants }, (_, tenant) => p95(done.filter((job) => job.tenant === tenant)));
  return Math.max(...each.filter(Number.isFinite)) / Math.max(1, p95(done));
}
