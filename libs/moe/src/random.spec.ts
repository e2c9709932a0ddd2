import { describe, expect, it } from '@jest/globals';
import { philox, uniformAt } from './random.ts';

describe('random numbers by seed and position', () => {
  it('are those of the published known answers', () => {
    expect(philox([0, 0, 0, 0], [0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    const ones = 0xffffffff;
    expect(philox([ones, ones, ones, ones], [ones, ones])).toEqual([0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
    const pi = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344] as const;
    expect(philox(pi, [0xa4093822, 0x299f31d0])).toEqual([0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]);
  });

  it('depend on every bit of the seed', () => {
    const drawn = Array.from({ length: 53 }, (_, bit) => uniformAt(2 ** bit, 7));
    expect(new Set([...drawn, uniformAt(0, 7)]).size).toBe(54);
  });

  it('fill [0, 1) evenly: ten bins of 100,000 draws hold 10,000 each within five standard deviations', () => {
    const bins = new Array<number>(10).fill(0);
    for (let position = 0; position < 100_000; position++) {
      const bin = Math.floor(uniformAt(11, position) * 10);
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
    for (const held of bins) expect(Math.abs(held - 10_000)).toBeLessThan(5 * Math.sqrt(100_000 * 0.1 * 0.9));
  });
});
