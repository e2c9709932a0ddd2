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
  Unit,
} from './core/state.ts';
