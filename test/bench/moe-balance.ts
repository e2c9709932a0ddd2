import { balance, placementOf, planPlacement } from '#moe';
import { percentile, type Row, round } from './result.ts';

const shape = { layers: 48, experts: 128 };

/** How evenly the planner spreads loads that fall as rank^-skew, the ranks shuffled in each layer, and what a plan takes. */
export function balanceRows(): Row[] {
  return [0.8, 1.1].flatMap((skew) => {
    const load = zipf(skew);
    return [2, 4, 8].flatMap((shards) => [0, 8].map((redundant) => rowOf(load, { skew, shards, redundant })));
  });
}

function rowOf(load: Float64Array, given: { skew: number; shards: number; redundant: number }): Row {
  const { shards, redundant } = given;
  const numbers = Array.from({ length: shards }, (_, shard) => shard);
  const limits = { minReplicas: 1, redundant, expertBytes: 1, shardBytes: 2 ** 40 };
  const times: number[] = [];
  let planned = placementOf(shape, () => [0]);
  for (let time = 0; time < 15; time++) {
    const startedAt = performance.now();
    planned = planPlacement({ ...shape, load }, numbers, limits);
    times.push(performance.now() - startedAt);
  }
  const linear = placementOf(shape, (_, expert) => [Math.floor((expert * shards) / shape.experts)]);
  return {
    what: 'balance',
    ...given,
    linear: round(balance(linear, load, shards), 3),
    planned: round(balance(planned, load, shards), 3),
    plan_ms: round(percentile(times, 0.5), 1),
  };
}

function zipf(skew: number): Float64Array {
  let state = 12_345;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const layer = (): number[] => {
    const left = Array.from({ length: shape.experts }, (_, rank) => (rank + 1) ** -skew);
    return Array.from({ length: shape.experts }, () => left.splice(below(left.length), 1)[0] ?? 0);
  };
  return Float64Array.from(Array.from({ length: shape.layers }, layer).flat());
}
