import { describe, expect, it } from '@jest/globals';
import { decodeNumbers, encodeBf16, firstUnusable, type NumberFormat } from './number-format.ts';

function decoded(halves: readonly number[], format: NumberFormat): number[] {
  const out = new Float32Array(halves.length);
  decodeNumbers(new Uint8Array(Uint16Array.from(halves).buffer), format, out);
  return [...out];
}

describe('f16', () => {
  it.each([
    ['one', 0x3c00, 1],
    ['minus two', 0xc000, -2],
    ['a third', 0x3555, 0.333251953125],
    ['the largest', 0x7bff, 65_504],
    ['the smallest normal one', 0x0400, 2 ** -14],
    ['the largest below it', 0x03ff, (1023 / 1024) * 2 ** -14],
    ['the smallest of all', 0x0001, 2 ** -24],
    ['minus nothing', 0x8000, -0],
    ['minus infinity', 0xfc00, -Infinity],
    ['a NaN', 0x7e00, NaN],
  ])('%s', (_, bits, value) => {
    expect(decoded([bits], 'F16')).toEqual([value]);
  });
});

describe('bf16', () => {
  it.each([
    ['a number that it holds', 1.5, 0x3fc0],
    ['the middle, down to the even one', 1 + 1 / 256, 0x3f80],
    ['the middle, up to the even one', 1 + 3 / 256, 0x3f82],
    ['just above the middle', 1 + 1.001 / 256, 0x3f81],
    ['negative numbers like positive ones', -(1 + 3 / 256), 0xbf82],
    ['what is too large', 3.4e38, 0x7f80],
    ['infinity', -Infinity, 0xff80],
  ])('rounds %s', (_, value, bits) => {
    expect([...encodeBf16(Float32Array.of(value))]).toEqual([bits]);
  });

  it('keeps a NaN whose bits are all in the lower half', () => {
    const nan = new Float32Array(Uint32Array.of(0x7f800001).buffer);
    expect(decoded([...encodeBf16(nan)], 'BF16')).toEqual([NaN]);
  });

  it('gives every number back that it holds', () => {
    const all = Array.from({ length: 65_536 }, (_, bits) => bits).filter((bits) => (bits & 0x7f80) !== 0x7f80);
    expect([...encodeBf16(Float32Array.from(decoded(all, 'BF16')))]).toEqual(all);
  });
});

it('reads numbers that do not lie on even bytes', () => {
  const bytes = Uint8Array.of(0xff, 0x80, 0x3f, 0x00, 0x40);
  const out = new Float32Array(2);
  decodeNumbers(bytes.subarray(1), 'BF16', out);
  expect([...out]).toEqual([1, 2]);
});

it.each([
  ['a NaN', [1, 2, NaN], 2],
  ['an infinity', [-Infinity, 2], 0],
  ['nothing wrong', [1, 2], -1],
])('finds %s', (_, numbers, at) => {
  expect(firstUnusable(Float32Array.from(numbers))).toBe(at);
});
