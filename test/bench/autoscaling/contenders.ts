import type { PoolPolicy } from '#autoscaler';
import { Argosy, groups, workers } from './argosy.ts';
import type { Scalers, Tier, World } from './fleet.ts';
import { Horizontal, PodPerJob, type Rules } from './incumbents.ts';
import type { Arrivals } from './traces.ts';

const minute = 60_000;
/** No job lasts longer. */
const jobCapMs = 360 * minute;
/** Runs on one agent worker, and sessions that an inference group serves at full speed. */
export const slots = { agents: 4, groups: 16 } as const;
const most = { agents: 60, groups: 20 } as const;
export const coldStartMs = 480_000;
const windowsMs = [300_000, 60_000, 0] as const;
const fills = [1, 0.9, 0.8] as const;

/** How a kind of scaler runs both tiers, and what its pods do when they are told to end. */
export interface Contender {
  readonly name: string;
  readonly graceMs: number;
  readonly handsOver: boolean;
  /** Settings that are alike but for a number or two. */
  readonly family?: 'job cap' | 'hand-over' | 'ours';
  readonly podPerJob?: boolean;
  /** Of its own metrics the HPA sees what was scraped; KEDA and we ask where the work is kept. */
  readonly metrics?: World['metrics'];
  readonly scalers: () => Scalers;
}

function keda(agents: Partial<Rules>, more: Partial<Rules> = {}): () => Scalers {
  const common = { min: 0, windowMs: 300_000, cooldownMs: 300_000, deletionCost: false };
  const rules = (tier: Tier, given: Partial<Rules>): Rules => {
    return { ...common, metric: 'waiting-and-active', max: most[tier], target: slots[tier], ...given };
  };
  return () => ({
    agents: new Horizontal(rules('agents', agents)),
    groups: new Horizontal(rules('groups', { min: 1, ...more })),
  });
}

/** What apps/autoscaler reads from its file of pools, which says `given`. Lead times are its guess until they are measured. */
function argosy(given: Partial<PoolPolicy>): () => Scalers {
  const common = { windowMs: 300_000, deadBand: 0.1, fill: 1, foresight: 1, costPerUnitHour: 0, weight: 1 };
  const waits = { waitLimitMs: 2 * minute, drainLimitMs: minute };
  const agents: PoolPolicy = {
    ...{ name: 'agents', min: 0, max: most.agents, slots: slots.agents, coldStartMs: minute, gpusPerUnit: 0 },
    ...{ ...common, ...waits, victims: 'any', ...given },
  };
  const inference: PoolPolicy = {
    ...{ name: 'groups', min: 1, max: most.groups, slots: slots.groups, coldStartMs: 5 * minute, gpusPerUnit: 4 },
    ...{ ...common, ...waits, ...given, victims: 'named', drainLimitMs: Number.POSITIVE_INFINITY },
  };
  return () => ({ agents: new Argosy(agents, workers), groups: new Argosy(inference, groups(10 * minute)) });
}

const handsOver = { graceMs: 10 * minute, handsOver: true } as const;
const ours = { ...handsOver, family: 'ours' } as const;

/** The incumbent at its best, once as it is, and once with pods that hand over as ours do. */
const tuned = windowsMs.flatMap((windowMs) =>
  fills.flatMap((fill): Contender[] => {
    const said = `window ${windowMs / 1_000} s, target ${fill * slots.agents}`;
    const scalers = keda(
      { windowMs, target: fill * slots.agents, deletionCost: true },
      { windowMs, target: fill * slots.groups },
    );
    return [
      { name: `KEDA, grace = job cap, ${said}`, family: 'job cap', graceMs: jobCapMs, handsOver: false, scalers },
      { name: `KEDA, hand-over, ${said}`, family: 'hand-over', ...handsOver, scalers },
    ];
  }),
);

export const contenders: readonly Contender[] = [
  {
    name: 'HPA, share of slots 80 %, grace 30 s',
    graceMs: 30_000,
    handsOver: false,
    metrics: 'scraped',
    scalers: keda({ min: 1, metric: 'share-of-slots', target: 0.8 }),
  },
  {
    name: 'KEDA, waiting only, length 5, grace 30 s',
    graceMs: 30_000,
    handsOver: false,
    scalers: keda({ metric: 'waiting', target: 5 }),
  },
  {
    name: 'KEDA ScaledJob, a pod per job',
    graceMs: jobCapMs,
    handsOver: false,
    podPerJob: true,
    scalers: () => ({ agents: new PodPerJob(most.agents * slots.agents), groups: keda({})().groups }),
  },
  ...tuned,
  { name: 'Argosy, reactive', ...ours, scalers: argosy({ foresight: 0, deadBand: 0 }) },
  { name: 'Argosy, lean', ...ours, scalers: argosy({ foresight: 0.5, deadBand: 0, windowMs: 3 * minute }) },
  { name: 'Argosy, defaults', ...ours, scalers: argosy({}) },
  {
    name: 'Argosy, spare slots, long drains',
    ...ours,
    scalers: argosy({ fill: 0.9, foresight: 0.5, drainLimitMs: 10 * minute }),
  },
];

/** What goes wrong besides the arrivals. */
export interface Trouble {
  readonly spotPerHour?: number;
  readonly outages?: World['outages'];
}

export function worldOf(arrivals: Arrivals, contender: Contender, trouble: Trouble): World {
  const { graceMs, handsOver, podPerJob = false, metrics = 'asked' } = contender;
  const own = podPerJob ? 1 : slots.agents;
  const common = { coldStartMs, spotPerHour: trouble.spotPerHour ?? 0 };
  return {
    arrivals,
    agents: { ...common, slots: own, nodeMs: 90_000, podsPerNode: (8 * slots.agents) / own, graceMs },
    groups: { ...common, slots: slots.groups, nodeMs: 120_000, podsPerNode: 1, graceMs: 10 * minute },
    handsOver,
    podPerJob,
    metrics,
    mostRuns: slots.agents * most.agents,
    outages: trouble.outages ?? [],
  };
}
