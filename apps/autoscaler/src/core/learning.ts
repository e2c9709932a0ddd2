import type { PoolMemory, PoolPolicy, PoolState, Signals } from './state.ts';
import { at, inPhase, type UnitTable } from './unit-table.ts';

const fastMs = 60_000;
const slowMs = 600_000;
/** Standard deviations by which a burst must stand out of the slow average. */
const doubt = 2;
/** Slot time after which what was learned of service times counts for 1/e. */
const serviceMemoryJobs = 200;
/** Ready latencies that are kept. */
const latenciesKept = 32;
/** Units on their way for so many lead times, and at least ten minutes, have a fault. */
const stuckLeads = 4;
const stuckMs = 600_000;
/** From so few the operator's number is the better guess. */
const latenciesNeeded = 3;

/** What a pool knows when it is seen for the first time: its level is the one found, so that a start moves nothing. */
export function firstMemory(pool: PoolState, signals: Signals): PoolMemory {
  const draining = inPhase(pool.units, 'draining').length;
  const target = Math.max(0, pool.replicas - draining);
  return {
    target,
    seen: signals,
    fast: 0,
    slow: 0,
    finished: 0,
    busyMs: 0,
    readyMs: [],
    readySeenMs: latest(pool.units),
    wanted: [{ atMs: signals.atMs, level: target }],
  };
}

/**
 * What the signals teach since the last look. Mean service time is slot time by jobs finished, so that jobs which still run
 * count with the time they took so far: the mean of the finished alone would be that of the short ones.
 */
export function learn(memory: PoolMemory, signals: Signals, { policy, units }: PoolState): PoolMemory {
  const { seen } = memory;
  const starts = latencies(memory, units, stuckAfterMs(memory, policy));
  const elapsedMs = signals.atMs - seen.atMs;
  if (elapsedMs <= 0) return { ...memory, ...starts };
  const perMs = (signals.arrivedTotal - seen.arrivedTotal) / elapsedMs;
  const done = signals.finishedTotal - seen.finishedTotal;
  const keep = Math.exp(-done / serviceMemoryJobs);
  return {
    ...memory,
    ...starts,
    seen: signals,
    fast: blend(memory.fast, perMs, elapsedMs / fastMs),
    slow: blend(memory.slow, perMs, elapsedMs / slowMs),
    finished: memory.finished * keep + done,
    busyMs: memory.busyMs * keep + ((seen.active + signals.active) / 2) * elapsedMs,
  };
}

function blend(old: number, value: number, share: number): number {
  return value + (old - value) * Math.exp(-share);
}

function latest({ readyAtMs }: UnitTable): number {
  return readyAtMs.reduce((most, atMs) => (atMs > most ? atMs : most), 0);
}

/** Who becomes ready later than `mostMs` after its start was ready before, and comes back from a fault. */
function latencies(
  memory: PoolMemory,
  { readyAtMs, createdAtMs }: UnitTable,
  mostMs: number,
): Pick<PoolMemory, 'readyMs' | 'readySeenMs'> {
  const { readySeenMs } = memory;
  const fresh: number[] = [];
  let latestMs = readySeenMs;
  for (let index = 0; index < readyAtMs.length; index++) {
    const atMs = at(readyAtMs, index);
    if (!(atMs > readySeenMs)) continue;
    const tookMs = Math.max(0, atMs - at(createdAtMs, index));
    if (tookMs <= mostMs) fresh.push(tookMs);
    if (atMs > latestMs) latestMs = atMs;
  }
  if (fresh.length === 0) return { readyMs: memory.readyMs, readySeenMs: latestMs };
  return { readyMs: [...memory.readyMs, ...fresh].slice(-latenciesKept), readySeenMs: latestMs };
}

/** Time until a unit asked for now serves: the measured 90th percentile. */
export function leadMs(memory: PoolMemory | undefined, policy: PoolPolicy): number {
  const known = memory?.readyMs ?? [];
  if (known.length < latenciesNeeded) return policy.coldStartMs;
  const sorted = known.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.9))] ?? policy.coldStartMs;
}

/**
 * Arrivals per ms to count on: those of the slow average, or what of the fast one is no chance. A count over a time has its own
 * root as its standard deviation, and an average that fades with a time is worth a count over twice that.
 */
export function rateOf({ fast, slow }: PoolMemory): number {
  return Math.max(slow, fast - doubt * Math.sqrt(fast / (2 * fastMs)));
}

/** Mean time that a job holds a slot, learned; 0 while no job has finished. */
export function serviceMs(memory: PoolMemory | undefined): number {
  return memory === undefined || memory.finished < 1 ? 0 : memory.busyMs / memory.finished;
}

/** A unit that is on its way for longer has a fault that more would share. */
export function stuckAfterMs(memory: PoolMemory, policy: PoolPolicy): number {
  return Math.max(stuckMs, stuckLeads * leadMs(memory, policy));
}
