import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Finder, FOUND } from './finder.ts';

const letters = (maxLength: number, minLength = 0) =>
  fc.string({ unit: fc.constantFrom('a', 'b', '<'), minLength, maxLength });

describe('a finder', () => {
  it('finds the first end of any of its strings, whatever they have in common', () => {
    fc.assert(
      fc.property(fc.array(letters(5, 1), { minLength: 1, maxLength: 4 }), letters(40), (strings, text) => {
        const ends = strings
          .map((one) => text.indexOf(one) + one.length)
          .filter((_, i) => text.includes(strings[i] ?? ''));
        const finder = new Finder(strings.map((one) => Buffer.from(one)));
        let [state, at] = [0, 0];
        while (at < text.length && state !== FOUND) state = finder.next(state, text.charCodeAt(at++));
        expect(state === FOUND ? at : Infinity).toBe(Math.min(...ends, Infinity));
      }),
      { numRuns: 500 },
    );
  });

  it('knows of one string how much of it has come', () => {
    const finder = new Finder([Buffer.from('</think>')]);
    let state = 0;
    const states = [...Buffer.from('<</t<')].map((byte) => {
      state = finder.next(state, byte);
      return state;
    });
    expect(states).toEqual([1, 1, 2, 3, 1]);
  });
});
