import { describe, expect, it } from '@jest/globals';
import { combine } from './combine.ts';
import { groupByExpert, sliceOf } from './dispatch.ts';
import { addWeighed, weighRows } from './kernels/weigh.ts';

const hidden = 2;
const pairs = groupByExpert(
  { tokens: 3, topK: 2, ids: Uint16Array.of(3, 0, 0, 2, 2, 3), weights: new Float32Array(6).fill(0.5) },
  4,
);
const shape = { tokens: 3, hidden };
/** Numbers whose sum depends on the order: 1e8 swallows what is added to it in f32. */
const rowOfPair = [1e8, 1, 1, 3, -1e8, 7];
const partOf = (...chosen: number[]) => ({
  slice: sliceOf(pairs, Uint32Array.from(chosen)),
  y: Float32Array.from(chosen.flatMap((pair) => [rowOfPair[pair] ?? 0, pair])),
});

it('weighRows multiplies in f32, row by row', () => {
  const y = new Float32Array(4);
  weighRows(Float32Array.of(1, 2, 3, 4), Float32Array.of(0.1, 3), hidden, y);
  expect(y).toEqual(Float32Array.of(0.1, 0.2, 9, 12));
});

describe('combine', () => {
  it('adds by ascending expert, however the pairs were shared out and in whatever order they came back', () => {
    const whole = combine('deterministic', pairs, [partOf(0, 1, 2, 3, 4, 5)], shape);
    expect(whole).toEqual(Float32Array.of(0, 4, 2, 3, 10, 8));
    for (const parts of [
      [partOf(4, 5), partOf(0, 1, 2, 3)],
      [partOf(1, 3, 5), partOf(0, 2, 4)],
      [5, 4, 3, 2, 1, 0].map((pair) => partOf(pair)),
    ]) {
      expect(combine('deterministic', pairs, parts, shape)).toEqual(whole);
    }
  });

  it('adds one row per token and shard when reduced', () => {
    const parts = [partOf(0, 1, 2, 3), partOf(4, 5)].map(({ slice, y: rows }) => {
      const y = new Float32Array(slice.rows.length * hidden);
      addWeighed(y, { rows, tokens: slice.tokens, weights: new Float32Array(rows.length / hidden).fill(1) }, hidden);
      return { slice, y };
    });
    expect(parts[0]?.y).toEqual(Float32Array.of(1e8, 0, 2, 3, 3, 3));
    expect(combine('reduced', pairs, parts, shape)).toEqual(Float32Array.of(0, 4, 2, 3, 10, 8));
  });

  it('leaves tokens that no expert saw at zero', () => {
    const none = groupByExpert({ tokens: 3, topK: 0, ids: new Uint16Array(), weights: new Float32Array() }, 4);
    expect(combine('deterministic', none, [], shape)).toEqual(new Float32Array(6));
  });

  it.each(['deterministic', 'reduced'] as const)('gives no answer with a pair missing or twice, %s', (mode) => {
    expect(() => combine(mode, pairs, [partOf(0, 1, 2, 3, 4)], shape)).toThrow('1 pairs were not answered');
    expect(() => combine(mode, pairs, [partOf(0, 1, 2), partOf(2, 3, 4, 5)], shape)).toThrow(
      'pair 2 was answered twice',
    );
  });
});
