import type { Action, PoolPolicy, PoolState, Unit } from './state.ts';

/** The units of a pool by what they do; one pass, for pools of thousands. */
export interface Census {
  readonly serving: readonly Unit[];
  readonly starting: readonly Unit[];
  readonly draining: readonly Unit[];
  /** Asked for and not there yet. */
  readonly unborn: number;
}

export function censusOf({ replicas, units }: PoolState): Census {
  const serving: Unit[] = [];
  const starting: Unit[] = [];
  const draining: Unit[] = [];
  for (const unit of units) {
    switch (unit.phase) {
      case 'ready':
        serving.push(unit);
        break;
      case 'starting':
        starting.push(unit);
        break;
      case 'draining':
        draining.push(unit);
        break;
      case 'leaving':
        break;
    }
  }
  const alive = serving.length + starting.length + draining.length;
  return { serving, starting, draining, unborn: Math.max(0, replicas - alive) };
}

/**
 * The actions that bring a pool to `target` units: first those that drain come back, which costs no start; then units are
 * asked for, counting those on their way; what is too much is taken from those on their way, and then drained. Units
 * leave the pool when they hold nothing any more, one round or more after they were told to take nothing new; those that
 * still hold something after the limit leave, too, and hand it over as whoever ends them makes them.
 */
export function reconcile(pool: PoolState, census: Census, target: number, nowMs: number): readonly Action[] {
  const { policy, replicas } = pool;
  const { serving, draining } = census;
  const back = draining.toSorted(keepFirst(policy)).slice(0, Math.max(0, target - serving.length));
  const actions: Action[] = back.map(({ name }) => ({ kind: 'undrain', pool: policy.name, unit: name }));
  const onTheWay = census.starting.length + census.unborn;
  const supply = serving.length + back.length + onTheWay;
  if (supply < target) return [...actions, scale(pool, replicas + target - supply, [])];
  const cancelled = Math.min(cancellable(policy, census), supply - target);
  const surplus = Math.max(0, serving.length + back.length - target);
  for (const { name } of leastFirst(policy, serving).slice(0, surplus))
    actions.push({ kind: 'drain', pool: policy.name, unit: name });
  const left = draining.filter((unit) => !back.includes(unit));
  // A set removes what is not ready before it looks at any mark, so the marked wait until nothing is on its way.
  const retire = onTheWay > cancelled ? [] : retirable(policy, left, serving, nowMs);
  const to = replicas - cancelled - retire.length;
  return to === replicas ? actions : [...actions, scale(pool, to, retire)];
}

function scale({ policy, replicas }: PoolState, to: number, retire: readonly Unit[]): Action {
  return { kind: 'scale', pool: policy.name, from: replicas, to, retire: retire.map(({ name }) => name) };
}

/** Most work first among those that come back: it would take longest to leave. Of an ordered set, the lowest. */
function keepFirst({ victims }: PoolPolicy): (a: Unit, b: Unit) => number {
  if (victims === 'last') return (a, b) => a.ordinal - b.ordinal;
  return (a, b) => b.busy - a.busy || b.remaining - a.remaining || (a.name < b.name ? -1 : 1);
}

function leastFirst(policy: PoolPolicy, serving: readonly Unit[]): readonly Unit[] {
  return serving.toSorted(keepFirst(policy)).reverse();
}

/** Units on their way that one may take back. An ordered set gives up its last, so a last one that serves protects them. */
function cancellable({ victims }: PoolPolicy, { serving, starting, draining, unborn }: Census): number {
  if (victims === 'any') return starting.length + unborn;
  const highest = [...serving, ...draining].reduce((most, { ordinal }) => Math.max(most, ordinal), -1);
  return starting.filter(({ ordinal }) => ordinal > highest).length + unborn;
}

/** Drained units that hold nothing, or have drained for too long; of an ordered set only those above all others that work. */
function retirable(
  policy: PoolPolicy,
  draining: readonly Unit[],
  serving: readonly Unit[],
  nowMs: number,
): readonly Unit[] {
  const goes = ({ busy, drainingSinceMs = nowMs }: Unit): boolean =>
    busy === 0 || nowMs - drainingSinceMs > policy.drainLimitMs;
  const going = draining.filter(goes);
  if (policy.victims === 'any') return going;
  const staying = [...serving, ...draining.filter((unit) => !goes(unit))];
  const highest = staying.reduce((most, { ordinal }) => Math.max(most, ordinal), -1);
  return going.filter(({ ordinal }) => ordinal > highest);
}
