export { Autoscaler } from './autoscaler.ts';
export type { Cluster } from './cluster/cluster.ts';
export { openCluster } from './cluster/kubernetes.ts';
export { decide } from './core/decide.ts';
export type {
  Action,
  Alarm,
  Budgets,
  Decision,
  FleetState,
  Outcome,
  PoolMemory,
  PoolPolicy,
  PoolState,
  Purse,
  Signals,
} from './core/state.ts';
export { tableOf, type Unit } from './core/unit-table.ts';
export { Leadership } from './leadership.ts';
export { parsePools } from './settings.ts';
