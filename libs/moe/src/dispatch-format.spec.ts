import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeRows, encodeRows, roundedTo } from './dispatch-format.ts';

const rounded = (value: number) => roundedTo(Float32Array.of(value), 'bf16')[0] ?? 0;

describe('what bf16 makes of a number', () => {
  it.each([
    ['what fits', 1.5, 1.5],
    ['a tie, down to even', 1 + 2 ** -8, 1],
    ['a tie, up to even', 1 + 3 * 2 ** -8, 1 + 2 ** -6],
    ['just above a tie', 1 + 2 ** -8 + 2 ** -20, 1 + 2 ** -7],
    ['the largest f32', 3.4028234663852886e38, Infinity],
    ['infinity', -Infinity, -Infinity],
    ['minus zero', -0, -0],
    ['no number', Number.NaN, Number.NaN],
  ])('%s', (_, value, wanted) => {
    expect(rounded(value)).toBe(wanted);
  });

  it('keeps a NaN whose payload would round away', () => {
    const nan = new Float32Array(Uint32Array.of(0x7f800001, 0xffffffff).buffer);
    expect([...roundedTo(nan, 'bf16')]).toEqual([Number.NaN, Number.NaN]);
  });

  it('is never further off than half of the last of its 8 bits', () => {
    fc.assert(
      fc.property(
        fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(1e-30), max: Math.fround(1e30) }),
        (value) => {
          expect(Math.abs(rounded(value) - value)).toBeLessThanOrEqual(value * 2 ** -8);
        },
      ),
    );
  });
});

describe('rows on the wire', () => {
  const values = Float32Array.of(1, -2.7182817, 3e-9, 0.1);

  it('come back as they were in f32, from bytes at any address', () => {
    const message = new Uint8Array([9, ...encodeRows(values, 'f32')]);
    expect(decodeRows(message.subarray(1), 'f32')).toEqual(values);
  });

  it('come back rounded in bf16, as they are where nothing travels', () => {
    const message = new Uint8Array([9, ...encodeRows(values, 'bf16')]);
    expect(message).toHaveLength(9);
    expect(decodeRows(message.subarray(1), 'bf16')).toEqual(roundedTo(values, 'bf16'));
    expect(decodeRows(Buffer.from(message).subarray(1), 'bf16')).toEqual(roundedTo(values, 'bf16'));
    expect(roundedTo(values, 'bf16')).not.toEqual(values);
  });

  it.each([
    ['f32', 6],
    ['bf16', 3],
  ] as const)('of %s are refused when %i bytes are no whole number of them', (format, length) => {
    expect(() => decodeRows(new Uint8Array(length), format)).toThrow(RangeError);
  });
});
