import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { balance, movesBetween, placementOf } from './placement.ts';
import { type ExpertDemand, type PlacementLimits, placeOrphans, planPlacement, TooFewSlots } from './placement-plan.ts';

const roomy: PlacementLimits = { minReplicas: 1, redundant: 0, expertBytes: 1, shardBytes: Infinity };
const shardsOf = (count: number) => Array.from({ length: count }, (_, shard) => shard);

/** Loads that fall as rank^-skew, the ranks shuffled anew in each layer. */
function zipf(layers: number, experts: number, skew: number): ExpertDemand {
  let state = 12345;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const load = Array.from({ length: layers }, () => {
    const layer = Array.from({ length: experts }, (_, rank) => (rank + 1) ** -skew);
    for (let i = experts - 1; i > 0; i--) {
      const j = below(i + 1);
      [layer[i], layer[j]] = [layer[j] ?? 0, layer[i] ?? 0];
    }
    return layer;
  }).flat();
  return { layers, experts, load: Float64Array.from(load) };
}

const linearOn = (demand: ExpertDemand, shards: number) =>
  placementOf(demand, (_, expert) => [Math.floor((expert * shards) / demand.experts)]);

describe('planPlacement on the shape of the 30B model, Zipf 0.8', () => {
  const demand = zipf(48, 128, 0.8);
  const planned = (shards: number, redundant: number) =>
    balance(planPlacement(demand, shardsOf(shards), { ...roomy, redundant }), demand.load, shards);

  it('evens four shards out without a replica, and wholly with eight', () => {
    expect(balance(linearOn(demand, 4), demand.load, 4)).toBeLessThan(0.8);
    expect(planned(4, 0)).toBeGreaterThanOrEqual(0.98);
    expect(planned(4, 8)).toBeGreaterThanOrEqual(0.999);
  });

  it('evens eight shards out with eight replicas, where no placement can without', () => {
    expect(planned(8, 0)).toBeLessThan(0.9);
    expect(planned(8, 8)).toBeGreaterThanOrEqual(0.99);
  });

  it('gives each expert two homes within the bytes that this takes, and refuses a byte less', () => {
    const limits = { ...roomy, minReplicas: 2, expertBytes: 10, shardBytes: 64 * 48 * 10 };
    const { holders } = planPlacement(demand, shardsOf(4), limits);
    expect(holders.flat().every((homes) => homes.length === 2)).toBe(true);
    expect(() => planPlacement(demand, shardsOf(4), { ...limits, shardBytes: limits.shardBytes - 1 })).toThrow(
      TooFewSlots,
    );
    expect(() => planPlacement(demand, [0], limits)).toThrow(/2 copies of each expert.*1 living shards/);
  });
});

describe('replica counts of the example that EPLB publishes', () => {
  // The loads and the resulting map of its README: 12 experts in 4 groups, 16 slots on 8 GPUs of 2 nodes. Groups go to
  // nodes first, so each node's part is a plan of its own.
  it.each([
    ['layer 0, node 0', [61, 104, 165, 39, 4, 73], [1, 2, 2, 1, 1, 1]],
    ['layer 0, node 1', [90, 132, 40, 56, 183, 86], [1, 2, 1, 1, 2, 1]],
    ['layer 1, node 0', [187, 157, 172, 86, 16, 27], [2, 1, 2, 1, 1, 1]],
    ['layer 1, node 1', [20, 107, 104, 64, 19, 197], [1, 2, 1, 1, 1, 2]],
  ])('%s', (_, loads, counts) => {
    const demand = { layers: 1, experts: 6, load: Float64Array.from(loads) };
    const { holders } = planPlacement(demand, shardsOf(4), { ...roomy, redundant: 2 });
    expect(holders[0]?.map((homes) => homes.length)).toEqual(counts);
  });
});

const demands = fc
  .record({ layers: fc.integer({ min: 1, max: 3 }), experts: fc.integer({ min: 1, max: 24 }) })
  .chain(({ layers, experts }) =>
    fc
      .array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e6, noNaN: true })), {
        minLength: layers * experts,
        maxLength: layers * experts,
      })
      .map((load): ExpertDemand => ({ layers, experts, load: Float64Array.from(load) })),
  );
const groups = fc.record({
  shards: fc.uniqueArray(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 8 }),
  minReplicas: fc.integer({ min: 1, max: 3 }),
  redundant: fc.integer({ min: 0, max: 12 }),
});

describe('every plan', () => {
  it('holds each expert often enough, never twice on a shard, within its slots, on living shards only', () => {
    fc.assert(
      fc.property(demands, groups, (demand, { shards, minReplicas, redundant }) => {
        fc.pre(minReplicas <= shards.length);
        const { holders } = planPlacement(demand, shards, { ...roomy, minReplicas, redundant });
        const wanted = Math.max(demand.experts * minReplicas, demand.experts + redundant);
        expect(holders).toHaveLength(demand.layers);
        for (const layer of holders) {
          expect(layer).toHaveLength(demand.experts);
          for (const homes of layer) {
            expect(homes.length).toBeGreaterThanOrEqual(minReplicas);
            expect(new Set(homes).size).toBe(homes.length);
            expect(homes.every((home) => shards.includes(home))).toBe(true);
          }
          const copies = layer.flat();
          expect(copies).toHaveLength(Math.min(wanted, demand.experts * shards.length));
          for (const shard of shards) {
            const held = copies.filter((home) => home === shard).length;
            expect(held).toBeLessThanOrEqual(Math.ceil(wanted / shards.length));
          }
        }
      }),
    );
  });

  it('is at most a tenth less even than the linear one, however lucky that is', () => {
    fc.assert(
      fc.property(demands, fc.integer({ min: 1, max: 8 }), (demand, shards) => {
        const plan = planPlacement(demand, shardsOf(shards), roomy);
        const [planned, plain] = [plan, linearOn(demand, shards)].map((one) => balance(one, demand.load, shards));
        expect(planned).toBeGreaterThanOrEqual((plain ?? 0) * 0.9);
      }),
    );
  });
});

describe('placeOrphans', () => {
  it('moves only what the lost shard alone held, within the room of the survivors', () => {
    fc.assert(
      fc.property(demands, groups, fc.nat(), (demand, { shards, minReplicas, redundant }, pick) => {
        fc.pre(shards.length > Math.max(1, minReplicas));
        const before = planPlacement(demand, shards, { ...roomy, minReplicas, redundant });
        const lost = shards[pick % shards.length];
        const survivors = shards.filter((shard) => shard !== lost);
        const after = placeOrphans(before, demand, survivors, roomy);
        const orphans = before.holders.flat().filter((homes) => homes.every((home) => home === lost));
        expect(movesBetween(before, after)).toBe(orphans.length);
        for (const [index, homes] of after.holders.flat().entries()) {
          const kept = (before.holders.flat()[index] ?? []).filter((home) => home !== lost);
          if (kept.length > 0) expect(homes).toEqual(kept);
          else expect(homes.length === 1 && survivors.includes(homes[0] ?? -1)).toBe(true);
        }
      }),
    );
  });

  it('refuses when the survivors are full, saying how much room there is', () => {
    const demand = { layers: 1, experts: 4, load: Float64Array.of(1, 1, 1, 1) };
    const limits = { ...roomy, shardBytes: 2 };
    const placement = planPlacement(demand, [0, 1], limits);
    expect(() => placeOrphans(placement, demand, [1], limits)).toThrow(/1 living shards with 2 bytes each/);
    expect(placeOrphans(placement, demand, [1], { ...limits, shardBytes: 4 }).holders.flat()).toEqual(
      Array(4).fill([1]),
    );
  });
});
