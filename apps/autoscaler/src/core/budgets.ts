import type { Alarm, Budgets, FleetState, PoolPolicy, PoolState, Purse } from './state.ts';
import { inPhase } from './unit-table.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Growth needs money for everything for this long, so that an empty purse does not open and close with every refill. */
const reserveHours = 0.25;

/** A pool that has `held` units, whatever they do, and shall have `target` that serve. */
export interface Claim {
  readonly pool: PoolState;
  readonly held: number;
  readonly target: number;
}

export interface Grant {
  readonly target: number;
  readonly refusal?: { readonly alarm: Alarm; readonly why: string };
}

/** Units that exist or are asked for: each holds its GPUs until it is gone. */
export function heldUnits({ replicas, units }: PoolState): number {
  const leaving = inPhase(units, 'leaving').length;
  return Math.max(replicas, units.names.length - leaving) + leaving;
}

/** The purse after what was spent and refilled since the last look. */
export function purseAt({ nowMs, budgets, purse, pools }: FleetState): Purse {
  if (purse === undefined) return { left: budgets.moneyPerDay, atMs: nowMs };
  const elapsedMs = Math.max(0, nowMs - purse.atMs);
  const paid = pools.filter(({ policy }) => policy.costPerUnitHour > 0);
  const perHour = paid.reduce((sum, pool) => sum + pool.policy.costPerUnitHour * heldUnits(pool), 0);
  const refill = (budgets.moneyPerDay * elapsedMs) / dayMs;
  const left = Math.min(budgets.moneyPerDay, purse.left + refill - (perHour * elapsedMs) / hourMs);
  return { left, atMs: Math.max(nowMs, purse.atMs) };
}

/** What is left of each budget while growth is shared out. */
interface Tally {
  gpus: number;
  readonly tenantGpus: Map<string, number>;
  perHour: number;
  readonly affordablePerHour: number;
}

/**
 * Cuts targets to what the budgets allow. Only growth is shared out, unit by unit to the pool with the fewest GPUs per
 * weight: nothing is taken from one pool for another. An empty purse alone lowers pools, to their minimum.
 */
export function grant(claims: readonly Claim[], budgets: Budgets, purse: Purse): readonly Grant[] {
  const tally = tallyOf(claims, budgets, purse);
  const spent = budgets.moneyPerDay > 0 && purse.left <= 0;
  const grants = claims.map((claim): Grant => startOf(claim, spent));
  if (fits(claims, grants, tally)) return claims.map((claim, index) => granted(claim, grants[index]));
  let open = claims.flatMap((claim, index) =>
    isBounded(claim.pool.policy) && growth(claim, grants[index]) > 0 ? [index] : [],
  );
  while (open.length > 0) {
    const [index, next] = neediest(open, claims, grants);
    const claim = claims[index];
    if (claim === undefined) break;
    grants[index] = grown(claim, grants[index], tally, next);
    open = open.filter((at) => growth(claims[at], grants[at]) > 0);
  }
  return grants;
}

/** Whether a pool counts in any budget. */
export function isBounded({ gpusPerUnit, costPerUnitHour }: PoolPolicy): boolean {
  return gpusPerUnit > 0 || costPerUnitHour > 0;
}

function growth(claim: Claim | undefined, given: Grant | undefined): number {
  return given?.refusal !== undefined ? 0 : (claim?.target ?? 0) - (given?.target ?? 0);
}

/** Whether all growth together is within every budget: then nothing has to be shared out. */
function fits(claims: readonly Claim[], grants: readonly Grant[], tally: Tally): boolean {
  const left = { ...tally, tenantGpus: new Map(tally.tenantGpus) };
  claims.forEach((claim, index) => {
    const { policy } = claim.pool;
    const more = isBounded(policy) ? growth(claim, grants[index]) : 0;
    for (const [holder, gpus] of holders(claim, more)) spend(left, holder, gpus);
    left.perHour += policy.costPerUnitHour * more;
  });
  const isPaid = left.perHour === tally.perHour || left.perHour <= left.affordablePerHour;
  return isPaid && left.gpus >= 0 && [...left.tenantGpus.values()].every((gpus) => gpus >= 0);
}

function granted({ target }: Claim, start: Grant | undefined): Grant {
  return start?.refusal === undefined ? { target } : start;
}

function startOf(claim: Claim, spent: boolean): Grant {
  const { policy } = claim.pool;
  if (!isBounded(policy)) return { target: claim.target };
  if (policy.costPerUnitHour > 0 && spent && claim.target > policy.min)
    return { target: policy.min, refusal: { alarm: 'money-budget', why: 'the money for today is spent: its minimum' } };
  return { target: Math.min(claim.held, claim.target) };
}

function tallyOf(claims: readonly Claim[], budgets: Budgets, purse: Purse): Tally {
  const tally: Tally = {
    gpus: budgets.gpus,
    tenantGpus: new Map(Object.entries(budgets.gpusByTenant)),
    perHour: 0,
    affordablePerHour: budgets.moneyPerDay > 0 ? purse.left / reserveHours : Number.POSITIVE_INFINITY,
  };
  for (const claim of claims) for (const [holder, gpus] of holders(claim, claim.held)) spend(tally, holder, gpus);
  for (const { pool, held } of claims) tally.perHour += pool.policy.costPerUnitHour * held;
  return tally;
}

/** Who pays for `units` of a pool: everybody's bound (the empty name) and its tenant's. */
function holders({ pool: { policy } }: Claim, units: number): (readonly [string, number])[] {
  const gpus = policy.gpusPerUnit * units;
  return [['', gpus], ...(policy.tenant === undefined ? [] : [[policy.tenant, gpus] as const])];
}

function spend(tally: Tally, holder: string, gpus: number): void {
  if (holder === '') tally.gpus -= gpus;
  const left = tally.tenantGpus.get(holder);
  if (holder !== '' && left !== undefined) tally.tenantGpus.set(holder, left - gpus);
}

/** GPUs by weight; of pools that are equal in it the first is the neediest. */
function share({ pool: { policy } }: Claim, target: number): number {
  return (target * Math.max(policy.gpusPerUnit, 1)) / policy.weight;
}

/** @returns who gets the next unit, and the most that its share may be for the one after that */
function neediest(open: readonly number[], claims: readonly Claim[], grants: readonly Grant[]): [number, number] {
  let [index, least, next] = [-1, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (const at of open) {
    const claim = claims[at];
    const own = claim === undefined ? Number.POSITIVE_INFINITY : share(claim, grants[at]?.target ?? 0);
    if (own >= least) next = Math.min(next, own);
    else [index, least, next] = [at, own, least];
  }
  return [index, next];
}

/** Gives a pool units for as long as it is the neediest, or none is left. */
function grown(claim: Claim, given: Grant | undefined, tally: Tally, next: number): Grant {
  let target = given?.target ?? 0;
  do {
    const refusal = takeUnit(tally, claim);
    if (refusal !== undefined) return { target, refusal };
    target++;
  } while (target < claim.target && share(claim, target) < next);
  return { target };
}

function takeUnit(tally: Tally, claim: Claim): Grant['refusal'] {
  const { policy } = claim.pool;
  const gpus = policy.gpusPerUnit;
  const own = policy.tenant === undefined ? undefined : tally.tenantGpus.get(policy.tenant);
  if (gpus > tally.gpus) return { alarm: 'gpu-budget', why: `${Math.max(0, tally.gpus)} GPUs of the budget are left` };
  if (own !== undefined && gpus > own)
    return { alarm: 'gpu-budget', why: `${Math.max(0, own)} GPUs of ${policy.tenant} are left` };
  if (policy.costPerUnitHour > 0 && tally.perHour + policy.costPerUnitHour > tally.affordablePerHour)
    return { alarm: 'money-budget', why: 'the money left does not carry one more' };
  for (const [holder, count] of holders(claim, 1)) spend(tally, holder, count);
  tally.perHour += policy.costPerUnitHour;
  return undefined;
}
