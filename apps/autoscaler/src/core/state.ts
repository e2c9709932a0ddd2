import type { UnitTable } from './unit-table.ts';

/** What an operator sets for one pool. A unit is a pod, or a whole inference group. */
export interface PoolPolicy {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** Jobs that one unit holds at a time. */
  readonly slots: number;
  /** Share of the slots that the level plans to fill, above 0 to 1. */
  readonly fill: number;
  /** How much of the change expected within the lead time, and of one standard deviation of it, is provided for: 0 (none) to 1. */
  readonly foresight: number;
  /** A level falls to the highest of those wanted within this time. */
  readonly windowMs: number;
  /** A level that would fall by no more than this share stays. */
  readonly deadBand: number;
  /** A job that waits for longer than this and a start adds a unit. */
  readonly waitLimitMs: number;
  /** Lead time until enough units were seen to become ready. */
  readonly coldStartMs: number;
  /** A unit that drains for longer is ended with what it holds: its runs go on elsewhere from their last step. Infinity: never. */
  readonly drainLimitMs: number;
  /**
   * `any`: whichever unit has least to do, of a set that takes those on their way first. `last`: the highest ordinal, which is
   * what a StatefulSet or LeaderWorkerSet removes. `named`: each unit is an object of its own and goes by its name.
   */
  readonly victims: 'any' | 'last' | 'named';
  readonly gpusPerUnit: number;
  readonly costPerUnitHour: number;
  /** Of two pools that both want the last GPU, the one with fewer per weight gets it. */
  readonly weight: number;
  /** Whose bound of GPUs this pool counts towards, too. */
  readonly tenant?: string;
}

/** What was read about the work of a pool, all at one time. Totals only grow. */
export interface Signals {
  readonly atMs: number;
  readonly waiting: number;
  readonly active: number;
  readonly arrivedTotal: number;
  readonly finishedTotal: number;
  readonly oldestWaitMs: number;
}

/** What a pool has learned; decide() gives the next one, and nothing else may change it. */
export interface PoolMemory {
  readonly target: number;
  readonly seen: Signals;
  /** Arrivals per ms, of the last minute and the last ten. */
  readonly fast: number;
  readonly slow: number;
  /** Jobs finished and slot time spent, the older the less they count: their quotient is the mean service time. */
  readonly finished: number;
  readonly busyMs: number;
  /** How long the last units took to become ready, oldest first. */
  readonly readyMs: readonly number[];
  readonly readySeenMs: number;
  /** Levels that were to be kept within the window; each is below the one before. */
  readonly wanted: readonly Wanted[];
}

export interface Wanted {
  readonly atMs: number;
  readonly level: number;
}

export interface PoolState {
  readonly policy: PoolPolicy;
  /** Replicas that the scale subresource asks for. */
  readonly replicas: number;
  readonly units: UnitTable;
  /** Missing where nothing could be read. */
  readonly signals?: Signals;
  readonly memory?: PoolMemory;
  /** Why this pool may not be touched: it is missing, or somebody else scales it. */
  readonly barred?: { readonly alarm: 'pool-missing' | 'second-owner' | 'signals-missing'; readonly why: string };
}

export interface Budgets {
  /** All GPUs of all pools; 0 forbids any. */
  readonly gpus: number;
  readonly gpusByTenant: Readonly<Record<string, number>>;
  /** Money for a day, in the unit of costPerUnitHour; spent while units exist, refilled evenly. 0: not limited. */
  readonly moneyPerDay: number;
}

export interface Purse {
  readonly left: number;
  readonly atMs: number;
}

export interface FleetState {
  readonly nowMs: number;
  readonly pools: readonly PoolState[];
  readonly budgets: Budgets;
  readonly purse?: Purse;
}

export type Alarm =
  | 'pool-missing'
  | 'second-owner'
  | 'signals-missing'
  | 'signals-stale'
  | 'signals-absurd'
  | 'clock-skew'
  | 'never-ready'
  | 'not-done'
  | 'gpu-budget'
  | 'money-budget'
  | 'at-max';

/** `scale` marks the units in `retire` as the first to go, before it asks for fewer; `mend` asks for all pods of a group. */
export type Action =
  | { readonly kind: 'mend'; readonly pool: string; readonly unit: string }
  | { readonly kind: 'undrain'; readonly pool: string; readonly unit: string }
  | { readonly kind: 'drain'; readonly pool: string; readonly unit: string }
  | {
      readonly kind: 'scale';
      readonly pool: string;
      readonly from: number;
      readonly to: number;
      readonly retire: readonly string[];
    };

/** Why a pool is as large as it is. */
export interface Decision {
  readonly pool: string;
  /** Units that shall serve or be on their way. */
  readonly target: number;
  /** What the work asks for now, before window, bounds and budgets. */
  readonly wanted: number;
  readonly leadMs: number;
  readonly serviceMs: number;
  readonly alarms: readonly Alarm[];
  readonly reasons: readonly string[];
  readonly actions: readonly Action[];
  readonly memory: PoolMemory | undefined;
}

export interface Outcome {
  readonly decisions: readonly Decision[];
  readonly purse: Purse;
}
