import type { PoolPolicy } from '#autoscaler';
import { Argosy } from './autoscaling-argosy.ts';
import { Horizontal, PodPerJob, type Rules } from './autoscaling-incumbents.ts';
import type { Scalers, World } from './autoscaling-run.ts';
import type { Arrivals } from './autoscaling-traces.ts';

const minute = 60_000;
/** No job lasts longer. */
const jobCapMs = 360 * minute;
/** Runs on one agent worker, and runs that an inference group serves at full speed. */
const slots = { agents: 4, groups: 16 } as const;
const most = { agents: 60, groups: 20 } as const;
const coldStartMs = { agents: 480_000, groups: 480_000 } as const;

/** How a kind of scaler runs both tiers, and what its pods do when they are told to end. */
export interface Contender {
  readonly name: string;
  readonly graceMs: number;
  readonly handsOver: boolean;
  /** One of the settings among which the best incumbent that has our hand-over is picked. */
  readonly peer?: boolean;
  readonly slots?: number;
  readonly scalers: () => Scalers;
}

function keda(agents: Partial<Rules>, groups: Partial<Rules> = {}): () => Scalers {
  const common = { min: 0, windowMs: 300_000, cooldownMs: 300_000, deletionCost: false };
  const rules = (tier: 'agents' | 'groups', more: Partial<Rules>): Rules => {
    return { ...common, metric: 'waiting-and-active', max: most[tier], target: slots[tier], ...more };
  };
  return () => ({
    agents: new Horizontal(rules('agents', agents)),
    groups: new Horizontal(rules('groups', groups)),
  });
}

function argosy(foresight: number): () => Scalers {
  const policy = (tier: 'agents' | 'groups'): PoolPolicy => ({
    name: tier,
    min: 0,
    max: most[tier],
    slots: slots[tier],
    fill: 1,
    foresight,
    windowMs: 300_000,
    deadBand: 0.1,
    waitLimitMs: 10 * minute,
    coldStartMs: coldStartMs[tier],
    drainLimitMs: minute,
    victims: 'any',
    gpusPerUnit: tier === 'groups' ? 4 : 0,
    costPerUnitHour: 0,
    weight: 1,
  });
  return () => ({ agents: new Argosy(policy('agents')), groups: new Argosy(policy('groups')) });
}

const peers = [300_000, 60_000, 0].flatMap((windowMs) =>
  [1, 0.9].map(
    (fill): Contender => ({
      name: `KEDA, both counted, hand-over, window ${windowMs / 1_000} s, target ${fill * slots.agents}`,
      graceMs: 10 * minute,
      handsOver: true,
      peer: true,
      scalers: keda(
        { windowMs, target: fill * slots.agents, deletionCost: true },
        { windowMs, target: fill * slots.groups },
      ),
    }),
  ),
);

export const contenders: readonly Contender[] = [
  {
    name: 'HPA, share of slots 80 %, grace 30 s',
    graceMs: 30_000,
    handsOver: false,
    scalers: keda({ min: 1, metric: 'share-of-slots', target: 0.8 }, { min: 1 }),
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
    slots: 1,
    scalers: () => ({ agents: new PodPerJob(most.agents * slots.agents), groups: keda({})().groups }),
  },
  {
    name: 'KEDA, both counted, deletion cost, grace = job cap',
    graceMs: jobCapMs,
    handsOver: false,
    scalers: keda({ deletionCost: true }),
  },
  ...peers,
  { name: 'Argosy, reactive', graceMs: 10 * minute, handsOver: true, scalers: argosy(0) },
  { name: 'Argosy, foresight 0.25', graceMs: 10 * minute, handsOver: true, scalers: argosy(0.25) },
  { name: 'Argosy, predictive', graceMs: 10 * minute, handsOver: true, scalers: argosy(0.5) },
];

/** What goes wrong besides the arrivals. */
export interface Trouble {
  readonly spotPerHour?: number;
  readonly outages?: World['outages'];
}

export function worldOf(arrivals: Arrivals, contender: Contender, trouble: Trouble): World {
  const { graceMs, handsOver } = contender;
  const own = contender.slots ?? slots.agents;
  return {
    arrivals,
    agents: {
      slots: own,
      coldStartMs: coldStartMs.agents,
      nodeMs: 90_000,
      podsPerNode: 8 * (slots.agents / own),
      graceMs,
      handsOver,
    },
    groups: {
      slots: slots.groups,
      coldStartMs: coldStartMs.groups,
      nodeMs: 120_000,
      podsPerNode: 1,
      graceMs: 10 * minute,
      handsOver: true,
    },
    metricLagMs: 15_000,
    outages: trouble.outages ?? [],
    spotPerHour: trouble.spotPerHour ?? 0,
  };
}
