import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { leastBy } from './least.ts';

const pairs = fc.array(fc.tuple(fc.nat(4), fc.nat(4)), { maxLength: 60 });

describe('the least of many', () => {
  it('are those that sorting would put first, whatever is equal', () => {
    fc.assert(
      fc.property(pairs, fc.nat(70), (given, count) => {
        const [first, second] = [0, 1].map((at) => Float64Array.from(given, (pair) => pair[at] ?? 0));
        if (first === undefined || second === undefined) throw new Error('two keys');
        const indices = given.map((_, index) => index);
        const key = (index: number): number => (first[index] ?? 0) * 10 + (second[index] ?? 0);
        const sorted = indices.toSorted((a, b) => key(a) - key(b) || b - a);
        const [least, others] = leastBy([first, second], indices, count);
        expect(new Set(least)).toEqual(new Set(sorted.slice(0, count)));
        expect(new Set(others)).toEqual(new Set(sorted.slice(count)));
      }),
    );
  });
});
