import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RepetitionWatch } from './repetition.ts';

/** Text without a circle in it. */
const prose = (length: number): string =>
  Array.from({ length }, (_, i) => `${i} ${(i * 7919) % 1009}`)
    .join(' ')
    .slice(0, length);
const watch = (text: string, size = text.length) => {
  const watched = new RepetitionWatch();
  let read = 0;
  for (let at = 0; at < text.length && watched.found === null; at += size)
    read += watched.push(text.slice(at, at + size));
  return { read, found: watched.found };
};

describe('RepetitionWatch', () => {
  it.each([
    ['a letter', 'a', 2_500],
    ['a sentence', 'Let me search for that again. ', 2_500],
    ['a paragraph of 400 characters', prose(400), 2_500],
    ['a page of 2,000 characters', prose(2_000), 12_500],
  ])('finds %s written over and over', (_, unit, within) => {
    const lead = prose(777);
    const { read, found } = watch(lead + unit.repeat(30_000 / unit.length));
    expect(found?.unit.length).toBe(unit.length);
    expect((unit + unit).includes(found?.unit ?? '?')).toBe(true);
    expect(found?.end).toBeLessThanOrEqual(lead.length + unit.length);
    expect(found?.times).toBeGreaterThanOrEqual(5);
    expect(read - lead.length).toBeLessThanOrEqual(within);
  });

  it('reads no further once it found a circle', () => {
    const watched = new RepetitionWatch();
    expect(watched.push('ab'.repeat(5_000))).toBe(2_000);
    expect(watched.push('more')).toBe(0);
  });

  it.each([
    ['text that never repeats', prose(50_000)],
    ['a thing said four times', prose(450).repeat(4) + prose(2_000)],
    ['a long table with equal beginnings', Array.from({ length: 400 }, (_, i) => `| year | ${i} | ships |\n`).join('')],
    ['a short circle that ends', `${'no '.repeat(500)}${prose(3_000)}`],
  ])('leaves %s alone', (_, text) => {
    expect(watch(text).found).toBeNull();
  });

  it('finds the same whatever the pieces', () => {
    const text = `${prose(300)}${'again and '.repeat(600)}`;
    const whole = watch(text);
    expect(whole.found).not.toBeNull();
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3_000 }), (size) => expect(watch(text, size)).toEqual(whole)),
      { numRuns: 100 },
    );
  });
});
