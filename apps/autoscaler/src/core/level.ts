import { leadMs, serviceMs } from './learning.ts';
import type { PoolMemory, PoolPolicy, Wanted } from './state.ts';

/** More than doubling within one round is left to the next: what is read wrong once costs no more than that. */
const stepUp = 10;

export interface Level {
  readonly target: number;
  readonly wanted: number;
  /** More would be wanted than the pool may have. */
  readonly full: boolean;
  readonly window: readonly Wanted[];
  readonly reasons: readonly string[];
}

/** The level that a pool shall have, before budgets. Rises at once, falls to the highest of the window. */
export function levelOf(policy: PoolPolicy, memory: PoolMemory, nowMs: number): Level {
  const { level, reasons } = asked(policy, memory);
  const wanted = Math.min(policy.max, Math.max(policy.min, level));
  const window = withinWindow(memory.wanted, { atMs: nowMs, level: wanted }, policy.windowMs);
  const from = memory.target;
  const common = { wanted, full: level > policy.max, window };
  const highest = window[0]?.level ?? wanted;
  if (wanted > from) {
    const target = Math.min(wanted, from + Math.max(stepUp, from));
    const capped = target < wanted ? [`${wanted} wanted, but no more than double in one round`] : [];
    return { ...common, target, reasons: [...reasons, ...capped] };
  }
  if (highest >= from) return { ...common, target: from, reasons };
  const slack = from - highest <= from * policy.deadBand && from <= policy.max;
  if (slack) return { ...common, target: from, reasons: [...reasons, `${highest} would do: within the dead band`] };
  return { ...common, target: highest, reasons: [...reasons, `no more than ${highest} wanted within the window`] };
}

/** Only what no later level tops is remembered, so that the first is the highest. */
function withinWindow(wanted: readonly Wanted[], latest: Wanted, spanMs: number): readonly Wanted[] {
  return [...wanted.filter(({ atMs, level }) => atMs > latest.atMs - spanMs && level > latest.level), latest];
}

/** Little's law for the steady flow, and what is there plus what comes until a new unit would serve; the larger counts. */
function asked(policy: PoolPolicy, memory: PoolMemory): { level: number; reasons: readonly string[] } {
  const { waiting, active, oldestWaitMs } = memory.seen;
  const perUnit = policy.slots * policy.fill;
  const lead = leadMs(memory, policy);
  const service = serviceMs(memory);
  const perMs = Math.max(memory.fast, memory.slow);
  const steady = Math.ceil((policy.foresight * memory.slow * service) / perUnit);
  const leaving = service > 0 ? active * (1 - Math.exp(-lead / service)) : 0;
  const coming = policy.foresight * Math.max(0, perMs * lead - leaving);
  const ahead = Math.ceil((active + waiting + coming) / perUnit);
  const late = oldestWaitMs > policy.waitLimitMs && waiting > 0 ? 1 : 0;
  const held = Math.ceil(active / policy.slots);
  const level = Math.max(steady, ahead + late, held);
  const reasons = [`${active} in work, ${waiting} waiting`];
  if (coming >= 0.5) reasons.push(`${Math.round(coming)} more expected within ${Math.round(lead / 1_000)} s`);
  if (steady > ahead + late) reasons.push(`${steady} for the steady flow`);
  if (late > 0) reasons.push(`one waits for ${Math.round(oldestWaitMs / 1_000)} s, which is too long`);
  return { level, reasons };
}
