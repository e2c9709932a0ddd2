import type { Job, Pod } from './parts.ts';
import type { PodSet } from './pods.ts';

/** Of the time of a turn at full speed that a group generates; the rest is the time of tools. */
const modelShare = 0.6;
/** A group can hold more sessions than it serves at full speed, as far as its cache goes. */
const cacheTokens = 1_440_000;
/** What a session reserves: three quarters of the context that runs are planned for. */
const reservedTokens = 60_000;
const mostTokens = 80_000;
const firstTokens = 3_000;
const tokensPerWorkMs = 2_400 / 45_000;
const prefillTokensPerMs = 8;
/** Sessions that a group can hold. */
const sessionsPerGroup = Math.floor(cacheTokens / reservedTokens);

/** What a run's context has grown to. */
export function contextOf({ doneMs }: Job): number {
  return Math.min(mostTokens, firstTokens + doneMs * tokensPerWorkMs);
}

/** Slots that a group has in use, as its coordinator tells: its sessions, or the tokens reserved for them. */
export function demandOf({ jobs }: Pod, slots: number): number {
  return Math.max(jobs.length, Math.ceil((slots * jobs.length * reservedTokens) / cacheTokens));
}

/**
 * Gives a run's session a group for its next turn: its own while that takes turns, else the one with the fewest sessions.
 * @returns for how much longer than at full speed the turn takes; undefined when no group has room
 */
export function seat(job: Job, groups: PodSet, workMs: number, nowMs: number): number | undefined {
  const own = job.group;
  const stays = own !== undefined && takesTurns(own);
  if (!stays) {
    leave(job, groups, nowMs);
    const open = groups.open(nowMs).filter(({ jobs }) => jobs.length < sessionsPerGroup);
    if (open.length === 0) return undefined;
    job.group = open.reduce((least, group) => (group.jobs.length < least.jobs.length ? group : least));
    job.group.jobs.push(job);
  }
  const share = Math.max(1, (job.group?.jobs.length ?? 1) / groups.times.slots);
  const prefillMs = stays ? 0 : contextOf(job) / prefillTokensPerMs;
  return workMs * modelShare * (share - 1) + prefillMs;
}

function takesTurns({ ending, drainingSinceMs, isGone }: Pod): boolean {
  return ending === undefined && drainingSinceMs === undefined && !isGone;
}

/** A run's session is given up. */
export function leave(job: Job, groups: PodSet, nowMs: number): void {
  const { group } = job;
  if (group === undefined) return;
  group.jobs.splice(group.jobs.indexOf(job), 1);
  job.group = undefined;
  groups.remove(group, nowMs);
}

/** Sessions of a group whose turn goes on; those of runs that wait for a worker are only kept. */
export function running({ jobs }: Pod): number {
  return jobs.reduce((sum, { state }) => sum + Number(state === 'running'), 0);
}
