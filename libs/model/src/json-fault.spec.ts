import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { jsonFault, toldFault } from './json-fault.ts';

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};
const told = (text: string): string => {
  const fault = jsonFault(text);
  return fault ? toldFault(text, fault) : 'no fault';
};

describe('jsonFault', () => {
  it('finds a fault exactly where JSON.parse refuses, over 2,000 texts that are or almost are JSON', () => {
    const almost = fc
      .tuple(
        fc.json({ maxDepth: 4 }),
        fc.nat(),
        fc.nat(3),
        fc.constantFrom('', '"', '{', ']', ',', '\\', '\n', "'", '1', 'e'),
      )
      .map(([json, at, gone, added]) => {
        const place = at % (json.length + 1);
        return json.slice(0, place) + added + json.slice(place + gone);
      });
    const text = fc.oneof(almost, fc.json(), fc.string({ maxLength: 6 }));
    fc.assert(
      fc.property(text, (json) => expect(jsonFault(json) === null).toBe(isJson(json))),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['', 'at line 1, column 1: expected a JSON value, but it ends («here»)'],
    ['{"a": [1, 2}', 'at line 1, column 12: expected "," or "]", but found "}" ({"a": [1, 2«here»})'],
    ["\n{'a': 1}", `at line 2, column 2: expected a name in double quotes, but found "'" ({«here»'a': 1})`],
    ['{"a": 1,}', 'at line 1, column 9: expected a name in double quotes, but found "}" ({"a": 1,«here»})'],
    ['{"a" 1}', 'at line 1, column 6: expected ":", but found "1" ({"a" «here»1})'],
    ['{"a": yes}', 'at line 1, column 7: expected a value, but found "y" ({"a": «here»yes})'],
    ['["a\nb"]', 'expected an escape: a line break in a string is written \\n, a tab \\t, but found "\\n"'],
    ['["\\x"]', 'expected a valid escape'],
    ['["a', 'expected the closing double quote of a string, but it ends'],
    ['{} 😀', 'expected the end of the JSON, but found "😀"'],
  ])('says of %j where it is wrong and what belongs there', (text, words) => {
    expect(told(text)).toContain(words);
  });

  it('refuses what is nested too deep for whoever walks it', () => {
    expect(told('['.repeat(65) + ']'.repeat(65))).toContain('no more than 64 levels of nesting');
    expect(told('['.repeat(100_000))).toContain('no more than 64 levels');
    expect(told('['.repeat(64) + ']'.repeat(64))).toBe('no fault');
  });

  it('takes a string of a million characters', () => {
    expect(told(JSON.stringify('x\n"'.repeat(300_000)))).toBe('no fault');
  });
});
