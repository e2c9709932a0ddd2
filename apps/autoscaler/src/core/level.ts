import { leadMs, rateOf, serviceMs } from './learning.ts';
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
  const { level, kept, reasons } = asked(policy, memory);
  const bounded = (units: number): number => Math.min(policy.max, Math.max(policy.min, units));
  const wanted = bounded(level);
  const window = withinWindow(memory.wanted, { atMs: nowMs, level: bounded(kept) }, policy.windowMs);
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

/** What is expected by the time at which a unit asked for now would serve. */
interface Outlook {
  /** Jobs more than now, or fewer. */
  readonly net: number;
  /** Standard deviation of that, as far as arrivals and ends are independent of each other. */
  readonly spread: number;
}

/**
 * Little's law at the lead time: of the jobs in work a share will have ended, and of those that come until then as many are
 * still there as the mean service time says, so that the expectation moves from what is there to rate times service time.
 */
function outlook(memory: PoolMemory, lead: number): Outlook {
  const { active } = memory.seen;
  const service = serviceMs(memory);
  const ended = service > 0 ? 1 - Math.exp(-lead / service) : 0;
  const arrived = rateOf(memory) * (service > 0 ? service * ended : lead);
  return { net: arrived - active * ended, spread: Math.sqrt(arrived + active * ended * (1 - ended)) };
}

interface Asked {
  /** Asked for, even if none is there. */
  readonly level: number;
  /** Not given up, when they are there: a job that waits keeps its slot, though no start would be in time for it. */
  readonly kept: number;
  readonly reasons: readonly string[];
}

function asked(policy: PoolPolicy, memory: PoolMemory): Asked {
  const { waiting, active, oldestWaitMs } = memory.seen;
  const { slots, fill, foresight, waitLimitMs } = policy;
  const lead = leadMs(memory, policy);
  const { net, spread } = outlook(memory, lead);
  const coming = foresight * (net + spread);
  // What waits for less than a start takes may wait for units that are on their way.
  const late = waiting > 0 && oldestWaitMs > waitLimitMs + lead ? 1 : 0;
  const units = (jobs: number): number => Math.ceil(jobs / (slots * fill)) + late;
  const held = Math.ceil(active / slots);
  const level = Math.max(units(active + waiting + coming), held);
  const kept = Math.max(units(active + waiting), level);
  const reasons = [`${active} in work, ${waiting} waiting`];
  if (Math.abs(coming) >= 0.5)
    reasons.push(
      `${Math.abs(Math.round(coming))} ${coming > 0 ? 'more' : 'fewer'} expected within ${Math.round(lead / 1_000)} s`,
    );
  if (late > 0) reasons.push(`one waits for ${Math.round(oldestWaitMs / 1_000)} s, which is too long`);
  return { level, kept, reasons };
}
