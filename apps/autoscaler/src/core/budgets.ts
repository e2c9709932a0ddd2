import type { Alarm, Budgets, FleetState, PoolState, Purse } from './state.ts';

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
  let leaving = 0;
  for (const { phase } of units) if (phase === 'leaving') leaving++;
  return Math.max(replicas, units.length - leaving) + leaving;
}

/** The purse after what was spent and refilled since the last look. */
export function purseAt({ nowMs, budgets, purse, pools }: FleetState): Purse {
  if (purse === undefined) return { left: budgets.moneyPerDay, atMs: nowMs };
  const elapsedMs = Math.max(0, nowMs - purse.atMs);
  const perHour = pools.reduce((sum, pool) => sum + pool.policy.costPerUnitHour * heldUnits(pool), 0);
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
  const grants = claims.map((claim): Grant => startOf(claim, purse));
  let open = claims.flatMap((claim, index) => (bounded(claim) && growth(claim, grants[index]) > 0 ? [index] : []));
  while (open.length > 0) {
    const index = neediest(open, claims, grants);
    const claim = claims[index];
    const given = grants[index];
    if (claim === undefined || given === undefined) break;
    const refusal = takeUnit(tally, claim);
    grants[index] = refusal === undefined ? { target: given.target + 1 } : { target: given.target, refusal };
    open = open.filter((at) => grants[at]?.refusal === undefined && growth(claims[at], grants[at]) > 0);
  }
  return grants;
}

function bounded({ pool: { policy } }: Claim): boolean {
  return policy.gpusPerUnit > 0 || policy.costPerUnitHour > 0;
}

function growth(claim: Claim | undefined, given: Grant | undefined): number {
  return given?.refusal !== undefined ? 0 : (claim?.target ?? 0) - (given?.target ?? 0);
}

function startOf(claim: Claim, purse: Purse): Grant {
  const { policy } = claim.pool;
  if (!bounded(claim)) return { target: claim.target };
  if (policy.costPerUnitHour > 0 && purse.left <= 0 && claim.target > policy.min)
    return { target: policy.min, refusal: { alarm: 'money-budget', why: 'the money for today is spent: its minimum' } };
  return { target: Math.min(claim.held, claim.target) };
}

function tallyOf(claims: readonly Claim[], budgets: Budgets, purse: Purse): Tally {
  const tally: Tally = {
    gpus: budgets.gpus,
    tenantGpus: new Map(Object.entries(budgets.gpusByTenant)),
    perHour: 0,
    affordablePerHour: purse.left / reserveHours,
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

function neediest(open: readonly number[], claims: readonly Claim[], grants: readonly Grant[]): number {
  const share = (index: number): number => {
    const policy = claims[index]?.pool.policy;
    const units = grants[index]?.target ?? 0;
    return policy === undefined ? 0 : (units * Math.max(policy.gpusPerUnit, 1)) / policy.weight;
  };
  return open.reduce((least, at) => (share(at) < share(least) ? at : least));
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
