import { describe, expect, it } from '@jest/globals';
import { layerInput, never, placements, useTinyModel } from '../../../../test/support/expert-group.ts';
import { expertsOf } from './expert-map.ts';

const model = useTinyModel();

describe('what a group tells of its experts', () => {
  it('is the placement in bits, and the load of its steps', async () => {
    const placement = placements['random with replicas']?.(3) ?? { holders: [] };
    const group = await model.group(model.localShards(3), {}, placement);
    const { routing, x } = layerInput(24, 1);
    await group.apply(0, x, routing, never);
    // The next step begins with what was learned from this one.
    await group.apply(0, x, routing, never);
    const { layers, experts, load, shards, planEpoch } = expertsOf(group);
    expect({ planEpoch, names: shards.map(({ name }) => name) }).toEqual({
      planEpoch: 1,
      names: ['local-0', 'local-1', 'local-2'],
    });
    const held = (shard: number, at: number) => ((shards[shard]?.held[Math.floor(at / 8)] ?? 0) >> (at % 8)) % 2 === 1;
    const told = layers.map((_, layer) =>
      Array.from({ length: experts }, (_, expert) =>
        [0, 1, 2].filter((shard) => held(shard, layer * experts + expert)),
      ),
    );
    expect(told).toEqual(placement.holders);
    const ofLayer0 = load.slice(0, experts);
    const busiest = ofLayer0.indexOf(Math.max(...ofLayer0));
    const counts = Array.from({ length: experts }, (_, id) => routing.ids.filter((one) => one === id).length);
    expect(counts[busiest]).toBe(Math.max(...counts));
    const answered = shards.reduce((sum, { answeredTokens }) => sum + answeredTokens, 0);
    expect(answered).toBe(2 * routing.ids.length);
  });
});
