import type { Job } from './parts.ts';
import type { PodSet } from './pods.ts';

const hour = 3_600_000;
/** A job that waits longer misses what was promised. */
export const sloMs = 300_000;
/** No more than one turn from falling to rising is wanted within this. */
const turnsWithinMs = 300_000;
const drawnEveryMs = 300_000;

/** What happened in one run of a world. */
export interface Story {
  /** Jobs that ended, and those that were in the system when nothing more could. */
  readonly done: number;
  readonly left: number;
  /** Of the jobs that ended, in ms. */
  readonly waits: readonly number[];
  readonly missed: number;
  /** Jain's index of the tenants' mean waits: 1 when all wait alike, 1 by their number when one alone waits. */
  readonly fairness: number;
  readonly podHours: number;
  /** Of the pod-hours, by looks at every round: those of pods that start, of slots without a job, of pods that drain or end. */
  readonly startHours: number;
  readonly idleHours: number;
  readonly leavingHours: number;
  /** Hours of groups from their creation to their end, and of those in which they served. */
  readonly groupHours: number;
  readonly groupReadyHours: number;
  /** Work that is in the jobs which ended, and what its turns took longer for full groups. */
  readonly workHours: number;
  readonly slowHours: number;
  readonly coldStarts: number;
  readonly kills: number;
  readonly lostHours: number;
  readonly handOvers: number;
  readonly refusals: number;
  readonly changesPerHour: number;
  /** The most turns of the level of agents from falling to rising within 300 s. */
  readonly turns: number;
  /** [hour, demand in pods, pods alive], every five minutes. */
  readonly line: readonly (readonly [number, number, number])[];
}

/** Counts what a fleet does and what it takes. */
export class Books {
  arrived = 0;
  handOvers = 0;
  refusals = 0;
  slowMs = 0;
  private readonly jobs: readonly Job[];
  private readonly sets: { readonly agents: PodSet; readonly groups: PodSet };
  private readonly line: [number, number, number][] = [];
  private readonly turnsAtMs: number[] = [];
  private level = 0;
  private isFalling = false;
  private podMs = 0;
  private readonly spent = { starting: 0, idle: 0, leaving: 0, rounds: 0 };
  private groupMs = 0;
  private groupReadyMs = 0;
  private kills = 0;
  private lostMs = 0;

  constructor(jobs: readonly Job[], sets: { readonly agents: PodSet; readonly groups: PodSet }) {
    this.jobs = jobs;
    this.sets = sets;
  }

  /** Nothing changes between these two. */
  pass(fromMs: number, toMs: number): void {
    const { agents, groups } = this.sets;
    this.podMs += agents.pods.length * (toMs - fromMs);
    this.groupMs += groups.pods.length * (toMs - fromMs);
    for (const { readyAtMs } of groups.pods) this.groupReadyMs += Math.max(0, toMs - Math.max(fromMs, readyAtMs));
  }

  kill(lostMs: number): void {
    this.kills++;
    this.lostMs += lostMs;
  }

  /** The level after a round. */
  note(nowMs: number, level: number, waiting: number): void {
    if (level < this.level) this.isFalling = true;
    else if (level > this.level && this.isFalling) {
      this.isFalling = false;
      this.turnsAtMs.push(nowMs);
    }
    this.level = level;
    this.look(nowMs);
    if (nowMs % drawnEveryMs !== 0) return;
    const { pods, times } = this.sets.agents;
    const demand = pods.reduce((sum, { jobs }) => sum + jobs.length, waiting) / times.slots;
    this.line.push([nowMs / hour, demand, pods.length]);
  }

  private look(nowMs: number): void {
    const { pods, times } = this.sets.agents;
    this.spent.rounds++;
    for (const { readyAtMs, ending, drainingSinceMs, jobs } of pods) {
      if (ending !== undefined || drainingSinceMs !== undefined) this.spent.leaving++;
      else if (readyAtMs > nowMs) this.spent.starting++;
      else this.spent.idle += 1 - jobs.length / times.slots;
    }
  }

  close(nowMs: number): Story {
    const { agents, groups } = this.sets;
    const roundHours = nowMs / hour / Math.max(1, this.spent.rounds);
    const done = this.jobs.filter(({ state }) => state === 'done');
    return {
      done: done.length,
      left: this.arrived - done.length,
      waits: done.map(({ waitedMs }) => waitedMs),
      missed: done.filter(({ waitedMs }) => waitedMs > sloMs).length / Math.max(1, done.length),
      fairness: fairnessOf(done),
      podHours: this.podMs / hour,
      startHours: this.spent.starting * roundHours,
      idleHours: this.spent.idle * roundHours,
      leavingHours: this.spent.leaving * roundHours,
      groupHours: this.groupMs / hour,
      groupReadyHours: this.groupReadyMs / hour,
      workHours: done.reduce((sum, { workMs }) => sum + workMs, 0) / hour,
      slowHours: this.slowMs / hour,
      coldStarts: agents.coldStarts + groups.coldStarts,
      kills: this.kills,
      lostHours: this.lostMs / hour,
      handOvers: this.handOvers,
      refusals: this.refusals,
      changesPerHour: ((agents.changes + groups.changes) * hour) / Math.max(1, nowMs),
      turns: mostWithin(this.turnsAtMs, turnsWithinMs),
      line: this.line,
    };
  }
}

function fairnessOf(done: readonly Job[]): number {
  const tenants = Map.groupBy(done, ({ tenant }) => tenant);
  const means = [...tenants.values()].map(
    (jobs) => jobs.reduce((sum, { waitedMs }) => sum + waitedMs, 0) / jobs.length,
  );
  const sum = means.reduce((total, mean) => total + mean, 0);
  const squares = means.reduce((total, mean) => total + mean ** 2, 0);
  return squares === 0 ? 1 : sum ** 2 / (means.length * squares);
}

/** The most of these times that lie within less than a span. */
function mostWithin(times: readonly number[], spanMs: number): number {
  let [first, most] = [0, 0];
  times.forEach((atMs, index) => {
    while (atMs - (times[first] ?? atMs) >= spanMs) first++;
    most = Math.max(most, index - first + 1);
  });
  return most;
}
