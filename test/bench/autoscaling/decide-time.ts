import { decide, type PoolState, tableOf, type Unit } from '#autoscaler';
import { percentile, type Row, round } from '../result.ts';

/** What a decision on a large fleet takes: 5,000 units, and 5,000 in each pool. */
export function decideRows(): Row[] {
  return [decideRow(5_000), decideRow(500 * 5_000)];
}

/** 500 pools of `unitCount` units together, a third of the pools to grow, a third to shrink. */
function decideRow(unitCount: number): Row {
  const nowMs = 1_000_000_000;
  const pools = Array.from({ length: 500 }, (_, index) => poolOf(index, unitCount / 500, nowMs));
  const budgets = { gpus: 10_000_000, gpusByTenant: {}, moneyPerDay: 1e9 };
  const first = decide({ nowMs, pools, budgets });
  const again = pools.map((pool, index): PoolState => {
    const memory = first.decisions[index]?.memory;
    return memory === undefined ? pool : { ...pool, memory };
  });
  const times: number[] = [];
  let actions = 0;
  for (let time = 0; time < 15; time++) {
    const startedAt = performance.now();
    const { decisions } = decide({ nowMs: nowMs + 1_000, pools: again, budgets });
    times.push(performance.now() - startedAt);
    actions = decisions.reduce((sum, decision) => sum + decision.actions.length, 0);
  }
  const common = { what: 'decide', pools: 500, units: unitCount, actions };
  return { ...common, p50_ms: round(percentile(times, 0.5), 1), max_ms: round(Math.max(...times), 1) };
}

function poolOf(index: number, unitCount: number, nowMs: number): PoolState {
  const units = Array.from({ length: unitCount }, (_, ordinal): Unit => {
    const busy = (ordinal * 7 + index) % 5;
    const common = { name: `pool-${index}-${ordinal}`, busy, remaining: busy * 100 + ordinal, ordinal, createdAtMs: 0 };
    return ordinal % 20 === 0
      ? { ...common, phase: 'draining', readyAtMs: 1, drainingSinceMs: nowMs - 1_000 }
      : { ...common, phase: 'ready', readyAtMs: 1 };
  });
  const active = units.reduce((sum, { busy }) => sum + busy, 0);
  const waiting = index % 3 === 0 ? unitCount * 4 : 0;
  return {
    policy: {
      name: `pool-${index}`,
      min: 0,
      max: unitCount * 4,
      slots: 4,
      fill: 0.9,
      foresight: 0.5,
      windowMs: 300_000,
      deadBand: 0.1,
      waitLimitMs: 60_000,
      coldStartMs: 60_000,
      drainLimitMs: 3_600_000,
      victims: 'any',
      gpusPerUnit: index % 10 === 0 ? 1 : 0,
      costPerUnitHour: 0,
      weight: 1,
    },
    replicas: unitCount,
    units: tableOf(units),
    signals: { atMs: nowMs, waiting, active, arrivedTotal: 0, finishedTotal: 0, oldestWaitMs: 0 },
  };
}
