import { type Claim, type Grant, grant, heldUnits, isBounded, purseAt } from './budgets.ts';
import { firstMemory, leadMs, learn, serviceMs, stuckAfterMs } from './learning.ts';
import { type Level, levelOf } from './level.ts';
import { type Unsound, unsound } from './soundness.ts';
import type { Alarm, Decision, FleetState, Outcome, PoolMemory, PoolState } from './state.ts';
import { type Census, censusOf, reconcile, startedBefore } from './units.ts';

/** A pool that can be decided on. */
interface Weighed {
  readonly pool: PoolState;
  readonly census: Census;
  readonly memory: PoolMemory;
  readonly level: Level;
  readonly target: number;
  readonly stuck: number;
}

/**
 * What to do about every pool, and why. Pure, and the same code in the cluster and in the simulator. A pool whose signals
 * cannot be trusted keeps what it has; the others go on. Cost O(units).
 */
export function decide(state: FleetState): Outcome {
  const purse = purseAt(state);
  const weighed = state.pools.map((pool) => weigh(pool, state.nowMs));
  const claims = weighed.map((entry, index) => claimOf(entry, state.pools[index]));
  const grants = grant(
    claims.filter((claim) => claim !== undefined),
    state.budgets,
    purse,
  );
  const given = grants.values();
  const decisions = weighed.map((entry, index) => {
    const granted = claims[index] === undefined ? undefined : given.next().value;
    return 'alarm' in entry ? holding(state.pools[index], entry) : deciding(entry, granted, state.nowMs);
  });
  return { decisions: decisions.filter((decision) => decision !== undefined), purse };
}

function weigh(pool: PoolState, nowMs: number): Weighed | Unsound {
  const fault = unsound(pool, nowMs);
  const { signals } = pool;
  if (fault !== undefined || signals === undefined)
    return fault ?? { alarm: 'signals-missing', why: 'nothing could be read about its work' };
  const memory = learn(pool.memory ?? firstMemory(pool, signals), signals, pool);
  const census = censusOf(pool);
  const level = levelOf(pool.policy, memory, nowMs);
  const stuck = stuckUnits(census, memory, pool, nowMs);
  const target = stuck > 0 ? Math.min(level.target, memory.target) : level.target;
  return { pool, census, memory, level, target, stuck };
}

function stuckUnits({ starting }: Census, memory: PoolMemory, pool: PoolState, nowMs: number): number {
  if (starting === 0) return 0;
  const limitMs = stuckAfterMs(memory, pool.policy);
  return nowMs - memory.readySeenMs < limitMs ? 0 : startedBefore(pool, nowMs - limitMs);
}

/** A pool that holds counts in the budgets with what it has. */
function claimOf(entry: Weighed | Unsound, pool: PoolState | undefined): Claim | undefined {
  if (pool === undefined) return undefined;
  const held = isBounded(pool.policy) ? heldUnits(pool) : pool.replicas;
  return { pool, held, target: 'alarm' in entry ? 0 : entry.target };
}

/** Nothing moves. A total that was counted anew is the start of what is learned from here on. */
function holding(pool: PoolState | undefined, { alarm, why, recounted }: Unsound): Decision | undefined {
  if (pool === undefined) return undefined;
  const { policy, signals, memory, replicas } = pool;
  return {
    pool: policy.name,
    target: memory?.target ?? replicas,
    wanted: memory?.target ?? replicas,
    leadMs: leadMs(memory, policy),
    serviceMs: serviceMs(memory),
    alarms: [alarm],
    reasons: [`holds: ${why}`],
    actions: [],
    memory: recounted && memory !== undefined && signals !== undefined ? { ...memory, seen: signals } : memory,
  };
}

function deciding(entry: Weighed, granted: Grant | undefined, nowMs: number): Decision {
  const { pool, census, memory, level, stuck } = entry;
  const target = granted?.target ?? entry.target;
  return {
    pool: pool.policy.name,
    target,
    wanted: level.wanted,
    leadMs: leadMs(memory, pool.policy),
    serviceMs: serviceMs(memory),
    alarms: alarmsOf(entry, granted),
    reasons: [...level.reasons, ...because(stuck, granted)],
    actions: reconcile(pool, census, target, nowMs),
    memory: { ...memory, target, wanted: level.window },
  };
}

function because(stuck: number, granted: Grant | undefined): readonly string[] {
  const waits = stuck > 0 ? [`${stuck} do not become ready: none more until one does`] : [];
  return granted?.refusal === undefined ? waits : [...waits, granted.refusal.why];
}

function alarmsOf({ level, stuck }: Weighed, granted: Grant | undefined): readonly Alarm[] {
  const alarms: Alarm[] = stuck > 0 ? ['never-ready'] : [];
  if (granted?.refusal !== undefined) alarms.push(granted.refusal.alarm);
  if (level.full) alarms.push('at-max');
  return alarms;
}
