import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Expressions } from './expressions.ts';
import { integerPattern, numberPattern } from './number-ranges.ts';
import { type PatternUse, patternOf } from './regex.ts';

const whole: PatternUse = { meaning: 'whole', writing: 'plain' };

function matches(pattern: string, use: PatternUse): (text: string) => boolean {
  const on = new Expressions();
  const start = patternOf(on, pattern, use);
  return (text) => [...Buffer.from(text)].reduce((state, byte) => on.after(state, byte), start).nullable;
}

const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '🚀', '\n', '"', '-', '1'), maxLength: 8 });
const atoms = fc.constantFrom(
  'a',
  'b',
  '.',
  '[ab]',
  '[^a]',
  'é',
  '🚀',
  '\\d',
  '\\W',
  '[a-é\\-1]',
  '\\u0061',
  '\\u{1f680}',
  '"',
  '\\s',
  '[^\\d\\n]',
);
const times = fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,3}', '{0,}', '*?');
const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
  pattern: fc.oneof(
    { maxDepth: 3 },
    fc.tuple(atoms, times).map(([atom, count]) => atom + count),
    fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => a + b),
    fc.tuple(tie('pattern'), tie('pattern'), times).map(([a, b, count]) => `(?:${a}|${b})${count}`),
  ),
}));

describe('a pattern', () => {
  it('matches what RegExp matches, as a whole and as a search', () => {
    fc.assert(
      fc.property(pattern, fc.constantFrom('', '^'), fc.constantFrom('', '$'), letters, (body, start, end, text) => {
        const used = `${start}${body}${end}`;
        expect(matches(used, whole)(text)).toBe(new RegExp(`^(?:${body})$`, 'u').test(text));
        expect(matches(used, { ...whole, meaning: 'search' })(text)).toBe(new RegExp(used, 'u').test(text));
      }),
      { numRuns: 300 },
    );
  });

  it('matches the inside of a JSON string', () => {
    fc.assert(
      fc.property(pattern, letters, (body, text) => {
        const inside = JSON.stringify(text).slice(1, -1);
        expect(matches(body, { ...whole, writing: 'json' })(inside)).toBe(new RegExp(`^(?:${body})$`, 'u').test(text));
      }),
      { numRuns: 200 },
    );
  });

  it('takes as long for a text of twice the length twice as long, also where RegExp would never end', () => {
    expect(matches('(?:a|a|aa)*b', whole)('a'.repeat(50_000))).toBe(false);
    expect(matches('(?:a*)*b', whole)(`${'a'.repeat(50_000)}b`)).toBe(true);
  });

  it.each([
    ['a(?=b)', /looking ahead/],
    ['(?<x>a)', /named groups/],
    ['(a)\\1', /\\1 is not supported/],
    ['\\bword', /\\b is not supported/],
    ['\\p{L}', /\\p is not supported/],
    ['a^b', /"\^" may stand/],
    ['(a$)', /"\$" may stand/],
    ['[z-a]', /a range runs/],
    ['a{3,2}', /is never/],
    ['a{1001}', /too often/],
    ['*a', /nothing to stand for/],
    ['(a', /not closed/],
    ['a)', /has no place/],
    ['[a', /ends too early/],
    ['\\ud800', /must name a character/],
  ])('%s is refused', (bad, why) => {
    expect(() => matches(bad, whole)).toThrow(why);
  });
});

describe('numbers in bounds', () => {
  const bounds = fc
    .tuple(fc.integer({ min: -2_000, max: 2_000 }), fc.nat(3_000))
    .map(([a, span]) => [a, a + span] as const);

  it('of integers are those in between', () => {
    fc.assert(
      fc.property(bounds, fc.integer({ min: -6_000, max: 6_000 }), ([least, most], value) => {
        expect(matches(integerPattern(least, most), whole)(`${value}`)).toBe(value >= least && value <= most);
      }),
      { numRuns: 300 },
    );
    expect(matches(integerPattern(-999_999_999_999_998, 123_456_789_012_345), whole)('123456789012345')).toBe(true);
    expect(matches(integerPattern(-999_999_999_999_998, 123_456_789_012_345), whole)('123456789012346')).toBe(false);
  });

  it('of numbers are those in between, fractions included', () => {
    fc.assert(
      fc.property(bounds, fc.integer({ min: -50_000, max: 50_000 }), ([least, most], steps) => {
        const value = steps / 8;
        expect(matches(numberPattern(least, most), whole)(`${value}`)).toBe(value >= least && value <= most);
      }),
      { numRuns: 300 },
    );
  });
});
