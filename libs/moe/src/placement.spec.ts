import { describe, expect, it } from '@jest/globals';
import { balance, followLoad, heldBy, movesBetween, placementOf } from './placement.ts';

const shape = { layers: 2, experts: 4 };
const linear = placementOf(shape, (_, expert) => [Math.floor(expert / 2)]);

describe('balance', () => {
  it.each([
    ['an even load', [1, 1, 1, 1, 1, 1, 1, 1], 1],
    ['one expert that has it all', [8, 0, 0, 0, 8, 0, 0, 0], 0.5],
    ['a layer that is even and one that is not', [2, 2, 2, 2, 8, 0, 0, 0], 8 / 12],
    ['no load', [0, 0, 0, 0, 0, 0, 0, 0], 1],
  ])('of %s', (_, load, wanted) => {
    expect(balance(linear, Float64Array.from(load), 2)).toBeCloseTo(wanted, 12);
  });

  it('shares an expert among its replicas, and counts shards that hold nothing', () => {
    const twice = placementOf({ layers: 1, experts: 1 }, () => [0, 1]);
    expect(balance(twice, Float64Array.of(6), 2)).toBe(1);
    expect(balance(twice, Float64Array.of(6), 4)).toBe(0.5);
  });
});

describe('what a change of placement moves', () => {
  const other = placementOf(shape, (layer, expert) =>
    layer === 1 && expert === 1 ? [1, 0] : [Math.floor(expert / 2)],
  );

  it('is told by shard, layer and expert', () => {
    expect(heldBy(other, 1)).toEqual([
      { layer: 0, experts: [2, 3] },
      { layer: 1, experts: [1, 2, 3] },
    ]);
    expect(movesBetween(linear, other)).toBe(1);
    expect(movesBetween(other, linear)).toBe(0);
  });

  it('names holders in ascending order, however they were found', () => {
    expect(other.holders[1]?.[1]).toEqual([0, 1]);
  });
});

it('followLoad forgets half of what was in 14 steps at a weight of 0.05', () => {
  const load = Float64Array.of(100, 0);
  for (let step = 0; step < 14; step++) followLoad(load, Float64Array.of(0, 10), 0.05);
  expect(load[0]).toBeCloseTo(100 * 0.95 ** 14, 9);
  expect(load[1]).toBeCloseTo(10 * (1 - 0.95 ** 14), 9);
});
