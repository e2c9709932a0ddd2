import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { spannedJson } from './spanned-json.ts';

/** Every part of a value with its JSON Pointer. */
function partsOf(value: unknown, pointer = ''): [string, unknown][] {
  const inner = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  const named = inner.flatMap(([name, part]) =>
    partsOf(part, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`),
  );
  return [[pointer, value], ...named];
}

describe('JSON with the places of its parts', () => {
  it('is what JSON.stringify writes, and each part stands where it says', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const { text, spans } = spannedJson(value);
        expect(text).toBe(JSON.stringify(value));
        for (const [pointer, part] of partsOf(value)) {
          const span = spans.get(pointer);
          expect(span && text.slice(span.start, span.end)).toBe(JSON.stringify(part));
        }
      }),
    );
  });
});
