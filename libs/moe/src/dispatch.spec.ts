import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { assign, type Choice, gatherRows, groupByExpert, sliceOf } from './dispatch.ts';
import type { Routing } from './kernels/route.ts';

const allOf = (pairs: { readonly tokens: Uint32Array }) => Uint32Array.from(pairs.tokens.keys());

/** Three tokens, two of four experts each; nobody goes to expert 1. */
const routing: Routing = {
  tokens: 3,
  topK: 2,
  ids: Uint16Array.of(3, 0, 0, 2, 2, 3),
  weights: Float32Array.of(0.75, 0.25, 0.5, 0.5, 0.875, 0.125),
};
const pairs = groupByExpert(routing, 4);

const choiceOf = (holders: readonly (readonly number[])[], waiting: readonly number[] = []): Choice => ({
  layer: 0,
  holdersOf: (expert) => holders[expert] ?? [],
  outstanding: (shard) => waiting[shard] ?? 0,
});

describe('groupByExpert', () => {
  it('lists the pairs by expert and, within one, by token; idle experts are left out', () => {
    expect(pairs).toEqual({
      experts: Uint32Array.of(0, 2, 3),
      offsets: Uint32Array.of(0, 2, 4, 6),
      tokens: Uint32Array.of(0, 1, 1, 2, 0, 2),
      weights: Float32Array.of(0.25, 0.5, 0.5, 0.875, 0.75, 0.125),
    });
  });

  it('has no pairs for no tokens, and refuses an expert that is not there', () => {
    const none = groupByExpert({ tokens: 0, topK: 2, ids: new Uint16Array(), weights: new Float32Array() }, 4);
    expect(none.offsets).toEqual(Uint32Array.of(0));
    expect(() => groupByExpert(routing, 3)).toThrow('expert 3 of 3');
  });
});

describe('assign', () => {
  it('sends each pair to the holder of its expert and names experts without one', () => {
    const { byShard, orphans } = assign(pairs, allOf(pairs), choiceOf([[0], [0], [], [1]]));
    expect([...byShard]).toEqual([
      [0, Uint32Array.of(0, 1)],
      [1, Uint32Array.of(4, 5)],
    ]);
    expect(orphans).toEqual([2]);
  });

  it('prefers the replica with less to do, what this very step gives it included', () => {
    const both = [[0, 1], [], [0], []];
    expect([...assign(pairs, Uint32Array.of(0, 2), choiceOf(both)).byShard.keys()]).toEqual([0, 1]);
    expect([...assign(pairs, Uint32Array.of(0, 2), choiceOf(both, [0, 9])).byShard.keys()]).toEqual([0]);
  });

  it('shares the tokens of a busy expert between its replicas', () => {
    const ids = new Uint16Array(128);
    const busy = groupByExpert({ tokens: 128, topK: 1, ids, weights: new Float32Array(128) }, 1);
    const { byShard } = assign(busy, allOf(busy), choiceOf([[0, 1, 2]]));
    expect([...byShard.values()].map(({ length }) => length).sort()).toEqual([42, 43, 43]);
  });

  it('goes the same way twice, and ties do not all go to one shard', () => {
    const ids = Uint16Array.from({ length: 64 }, (_, i) => i);
    const wide = groupByExpert({ tokens: 64, topK: 1, ids, weights: new Float32Array(64) }, 64);
    const homes = Array.from({ length: 64 }, () => [0, 1]);
    const one = (expert: number) => [...assign(wide, Uint32Array.of(expert), choiceOf(homes)).byShard.keys()][0];
    const chosen = [...ids].map(one);
    expect([...ids].map(one)).toEqual(chosen);
    expect(chosen.filter((shard) => shard === 0).length).toBeGreaterThan(16);
    expect(chosen.filter((shard) => shard === 1).length).toBeGreaterThan(16);
  });
});

describe('sliceOf', () => {
  it('counts tokens within the request and sends each once', () => {
    const slice = sliceOf(pairs, Uint32Array.of(1, 2, 3, 5));
    expect(slice).toEqual({
      experts: Uint32Array.of(0, 2, 3),
      offsets: Uint32Array.of(0, 1, 3, 4),
      tokens: Uint32Array.of(0, 0, 1, 1),
      weights: Float32Array.of(0.5, 0.5, 0.875, 0.125),
      pairs: Uint32Array.of(1, 2, 3, 5),
      rows: Uint32Array.of(1, 2),
    });
    expect(gatherRows(Float32Array.of(0, 1, 10, 11, 20, 21), slice.rows, 2)).toEqual(Float32Array.of(10, 11, 20, 21));
  });

  it('whose rows are all of x in order is given x itself, and any other a copy', () => {
    const x = Float32Array.of(0, 1, 10, 11);
    expect(gatherRows(x, Uint32Array.of(0, 1), 2)).toBe(x);
    expect(gatherRows(x, Uint32Array.of(1, 0), 2)).toEqual(Float32Array.of(10, 11, 0, 1));
    expect(gatherRows(x, Uint32Array.of(1, 1), 2)).toEqual(Float32Array.of(10, 11, 10, 11));
  });
});

it('every pair reaches one shard that holds its expert, with its token and weight', () => {
  const cases = fc
    .record({ tokens: fc.integer({ min: 0, max: 90 }), experts: fc.integer({ min: 1, max: 9 }) })
    .chain(({ tokens, experts }) =>
      fc.record({
        experts: fc.constant(experts),
        chosen: fc.array(fc.nat({ max: experts - 1 }), { minLength: tokens, maxLength: tokens }),
        homes: fc.array(fc.uniqueArray(fc.nat({ max: 3 }), { minLength: 1, maxLength: 4 }), {
          minLength: experts,
          maxLength: experts,
        }),
      }),
    );
  fc.assert(
    fc.property(cases, ({ chosen, experts, homes }) => {
      const ids = Uint16Array.from(chosen);
      const weights = Float32Array.from(ids, (_, at) => at + 1);
      const all = groupByExpert({ tokens: chosen.length, topK: 1, ids, weights }, experts);
      const { byShard, orphans } = assign(all, allOf(all), choiceOf(homes));
      expect(orphans).toEqual([]);
      const seen: number[] = [];
      for (const [shard, indices] of byShard) {
        const slice = sliceOf(all, indices);
        for (const [group, expert] of slice.experts.entries()) {
          expect(homes[expert]).toContain(shard);
          for (let j = slice.offsets[group] ?? 0; j < (slice.offsets[group + 1] ?? 0); j++) {
            const token = slice.rows[slice.tokens[j] ?? -1] ?? -1;
            expect([ids[token], weights[token]]).toEqual([expert, slice.weights[j]]);
            seen.push(token);
          }
        }
      }
      expect(seen.sort((a, b) => a - b)).toEqual([...chosen.keys()]);
    }),
  );
});
