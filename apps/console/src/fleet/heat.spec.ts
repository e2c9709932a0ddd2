import { describe, expect, it } from '@jest/globals';
import { heatOf, shades } from './heat.ts';

const shard = (name: string) => ({ name, open: true, answered_tokens: 0 });
const shards = [shard('a'), shard('b')];
/** Expert 1 of layer 3 is held twice; layer 4 is on the second shard but for one expert. */
const layers = [
  { layer: 3, load: [8, 4, 0], holders: [[0], [0, 1], [1]] },
  { layer: 4, load: [0.1, 0, 2], holders: [[0], [1], [1]] },
];

describe('heatOf', () => {
  it('lays each shard beside the one before, as wide as its fullest layer, and each layer below the one before', () => {
    const heat = heatOf({ layers, shards });
    expect(heat).toMatchObject({ width: 6, height: 2, most: 8 });
    expect(heat.blocks).toEqual([
      { left: 0, width: 2 },
      { left: 4, width: 2 },
    ]);
    const squares = heat.paths.join('').match(/M/g) ?? [];
    expect(squares).toHaveLength(7);
  });

  it('shades by what falls to a copy, and marks those that are not the only one', () => {
    const { paths, replicas } = heatOf({ layers, shards });
    expect(paths[0]).toBe('M5 0h0.9v0.9h-0.9zM4 1h0.9v0.9h-0.9z');
    expect(paths[shades - 1]).toBe('M0 0h0.9v0.9h-0.9z');
    // Two tokens each, a fourth of the most.
    expect(paths[1 + (shades - 1) / 2 - 0.5]).toBe('M1 0h0.9v0.9h-0.9zM4 0h0.9v0.9h-0.9zM5 1h0.9v0.9h-0.9z');
    expect(replicas.match(/M/g)).toHaveLength(2);
  });

  it('knows what is where, and that nothing is between blocks', () => {
    const heat = heatOf({ layers, shards });
    expect(heat.at(1.5, 0.5)).toEqual({ layer: 3, expert: 1, shard: 0, others: [1], tokens: 2 });
    expect(heat.at(5.9, 1.9)).toMatchObject({ layer: 4, expert: 2, shard: 1 });
    for (const [x, y] of [
      [2.5, 0.5],
      [1.5, 1.5],
      [-1, 0],
      [99, 0],
      [0, 2],
    ])
      expect(heat.at(x ?? 0, y ?? 0)).toBeNull();
  });

  it('draws a large model with one path for each shade, and nothing to do as nothing to do', () => {
    const all = Array.from({ length: 128 }, (_, expert) => [expert % 2]);
    const large = Array.from({ length: 48 }, (_, layer) => ({ layer, load: all.map(() => 0), holders: all }));
    const heat = heatOf({ layers: large, shards });
    expect(heat).toMatchObject({ width: 130, height: 48, most: 0, replicas: '' });
    expect(heat.paths[0]?.match(/M/g)).toHaveLength(6_144);
    expect(heat.paths.slice(1).join('')).toBe('');
    expect(heatOf({ layers: [], shards: [] })).toMatchObject({ width: 0, height: 0 });
  });
});
