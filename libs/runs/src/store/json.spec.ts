import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { storable, toJsonb } from './json.ts';

const nasty = fc.string({ unit: fc.constantFrom('a', '\0', '\ud800', '\udc00', '\u{1f512}', '"', '\\') });

describe('storable', () => {
  it.each([
    ['a\0b', 'a\ufffdb'],
    ['a\ud800', 'a\ufffd'],
    ['\udc00\ud800', '\ufffd\ufffd'],
    ['\u{1f512}', '\u{1f512}'],
  ])('makes of %j %j', (text, stored) => {
    expect(storable(text)).toBe(stored);
  });

  it('keeps every offset true', () => {
    fc.assert(
      fc.property(nasty, (text) => {
        const stored = storable(text);
        expect(stored).toHaveLength(text.length);
        expect(stored.isWellFormed()).toBe(true);
        expect(stored).not.toContain('\0');
        expect(storable(stored)).toBe(stored);
      }),
    );
  });
});

describe('toJsonb', () => {
  it('cleans texts and names at every depth', () => {
    const stored = toJsonb({ 'k\0': [{ '\ud800': 'v\0' }], plain: 'ok' });
    expect(JSON.parse(stored)).toEqual({ 'k\ufffd': [{ '\ufffd': 'v\ufffd' }], plain: 'ok' });
  });

  it('changes nothing else', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => expect(JSON.parse(toJsonb(value))).toEqual(clean(value))));
  });
});

/** What JSON alone makes of a value that holds nothing PostgreSQL refuses. */
function clean(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value).replaceAll('\\u0000', '\ufffd'));
}
