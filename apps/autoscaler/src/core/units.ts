import { type Keys, leastBy } from './least.ts';
import type { Action, PoolState } from './state.ts';
import { at, inPhase, phaseCodes, type UnitTable } from './unit-table.ts';

/** How many units of a pool do what. */
export interface Census {
  readonly serving: number;
  readonly starting: number;
  readonly draining: number;
  readonly leaving: number;
  /** Asked for and not there yet. */
  readonly unborn: number;
}

export function censusOf({ replicas, units: { phases } }: PoolState): Census {
  const counts = new Float64Array(4);
  for (let index = 0; index < phases.length; index++) {
    const phase = phases[index] ?? 0;
    counts[phase] = (counts[phase] ?? 0) + 1;
  }
  const [starting = 0, serving = 0, draining = 0, leaving = 0] = counts;
  return { serving, starting, draining, leaving, unborn: Math.max(0, replicas - serving - starting - draining) };
}

/**
 * The actions that bring a pool to `target` units: first those that drain come back, which costs no start; then units are
 * asked for, counting those on their way; what is too much is taken from those on their way, and then drained. Units
 * leave the pool when they hold nothing any more, one round or more after they were told to take nothing new; those that
 * still hold something after the limit leave, too, and hand it over as whoever ends them makes them. Actions of one kind
 * have no order. What is asked for is worked out from the units that there are: a set that has not yet removed what it was
 * asked to, or is rolled out and has more for a while, is not asked for that again. Cost O(units).
 */
export function reconcile(pool: PoolState, census: Census, target: number, nowMs: number): readonly Action[] {
  const { policy, replicas, units } = pool;
  const { serving, starting, unborn } = census;
  const keys = victimKeys(pool);
  const drained = census.draining === 0 ? [] : inPhase(units, 'draining');
  const [left, back] = leastBy(keys, drained, Math.max(0, drained.length - Math.max(0, target - serving)));
  const actions = back.map((index) => unitAction('undrain', pool, index));
  const started = starting === 0 ? [] : inPhase(units, 'starting');
  const supply = serving + back.length + starting + unborn;
  if (supply < target) return [...actions, ...mended(pool, []), scale(pool, target, [])];
  const surplus = Math.max(0, serving + back.length - target);
  if (surplus > 0)
    for (const index of leastBy(keys, inPhase(units, 'ready'), surplus)[0])
      actions.push(unitAction('drain', pool, index));
  const going = left.filter((index) => goes(pool, index, nowMs));
  if (policy.victims === 'named') return [...actions, ...byName(pool, started, supply - target, going)];
  const cancelled = Math.min(cancellable(pool, started) + unborn, supply - target);
  // A set removes what is not ready before it looks at any mark, so the marked wait until nothing is on its way.
  const retire = starting + unborn > cancelled ? [] : retirable(pool, going);
  const present = serving + starting + census.draining + unborn;
  const to = Math.min(present - cancelled - retire.length, Math.max(replicas, target));
  return to === replicas ? actions : [...actions, scale(pool, to, retire)];
}

function unitAction(kind: 'drain' | 'undrain' | 'mend', { policy, units }: PoolState, index: number): Action {
  return { kind, pool: policy.name, unit: at(units.names, index) };
}

function scale({ policy, replicas, units }: PoolState, to: number, retire: readonly number[]): Action {
  const names = retire.map((index) => at(units.names, index));
  return { kind: 'scale', pool: policy.name, from: replicas, to, retire: names };
}

/** What goes first: that which has least to do, and of those the one that is done first; of an ordered set, the last. */
function victimKeys({ policy, units }: PoolState): Keys {
  if (policy.victims !== 'last') return [units.busy, units.remaining];
  const reversed = units.ordinals.map((ordinal) => -ordinal);
  return [reversed, reversed];
}

/** Each unit goes for itself, so that those on their way go by name, the youngest first, and none waits for another. */
function byName(
  pool: PoolState,
  started: readonly number[],
  surplus: number,
  going: readonly number[],
): readonly Action[] {
  const ages = pool.units.createdAtMs.map((createdAtMs) => -createdAtMs);
  const [cancelled] = leastBy([ages, ages], started, surplus);
  const retire = [...cancelled, ...going];
  const mends = mended(pool, cancelled);
  return retire.length === 0 ? mends : [...mends, scale(pool, pool.replicas - retire.length, retire)];
}

/** Groups that shall be whole: all that serve or start but those that are taken back. */
function mended(pool: PoolState, cancelled: readonly number[]): readonly Action[] {
  const { phases, partial } = pool.units;
  const actions: Action[] = [];
  for (let index = 0; index < partial.length; index++)
    if (partial[index] === 1 && at(phases, index) < phaseCodes.draining && !cancelled.includes(index))
      actions.push(unitAction('mend', pool, index));
  return actions;
}

/** Units on their way that one may take back. An ordered set gives up its last, so a last one that serves protects them. */
function cancellable({ policy, units }: PoolState, started: readonly number[]): number {
  if (policy.victims !== 'last') return started.length;
  const highest = highestOf(units, [...inPhase(units, 'ready'), ...inPhase(units, 'draining')]);
  return started.filter((index) => at(units.ordinals, index) > highest).length;
}

/** Whether a drained unit holds nothing, or has drained for too long. */
function goes({ policy, units }: PoolState, index: number, nowMs: number): boolean {
  return at(units.busy, index) === 0 || nowMs - at(units.drainingSinceMs, index) > policy.drainLimitMs;
}

/** Of an ordered set only those above all others that work. */
function retirable({ policy, units }: PoolState, going: readonly number[]): readonly number[] {
  if (policy.victims !== 'last' || going.length === 0) return going;
  const gone = new Set(going);
  const staying = inPhase(units, 'draining').filter((index) => !gone.has(index));
  const highest = highestOf(units, [...inPhase(units, 'ready'), ...staying]);
  return going.filter((index) => at(units.ordinals, index) > highest);
}

function highestOf({ ordinals }: UnitTable, indices: readonly number[]): number {
  return indices.reduce((most, index) => Math.max(most, at(ordinals, index)), -1);
}

/** Units that are on their way for longer than this. */
export function startedBefore({ units: { phases, createdAtMs } }: PoolState, atMs: number): number {
  let count = 0;
  for (let index = 0; index < phases.length; index++)
    if (phases[index] === phaseCodes.starting && at(createdAtMs, index) < atMs) count++;
  return count;
}
