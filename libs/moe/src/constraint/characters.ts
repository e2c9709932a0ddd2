/** Sets of characters as expressions over the bytes of their UTF-8 (RFC 3629), plain or as they stand in a JSON string. */
import { byteSet } from './byte-set.ts';
import type { Expression, Expressions } from './expressions.ts';

/** Code points from the first to the last. */
export type Range = readonly [from: number, to: number];

const LAST = 0x10ffff;
/** Halves of surrogate pairs are no characters. */
const SURROGATES: Range = [0xd800, 0xdfff];
/** Where the length of a character's UTF-8 changes. */
const LENGTHS = [0x7f, 0x7ff, 0xffff, LAST];

/** How characters are written: raw, or inside the quotes of a JSON string. */
export type Writing = 'plain' | 'json';

/** Sorted, without overlaps, and without what is no character. */
function rangesOf(given: readonly Range[]): Range[] {
  const merged: [number, number][] = [];
  for (const [from, to] of given.toSorted(([a], [b]) => a - b)) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged.flatMap(([from, to]): Range[] => {
    const below: Range = [from, Math.min(to, SURROGATES[0] - 1)];
    const above: Range = [Math.max(from, SURROGATES[1] + 1), to];
    return [below, above].filter(([first, last]) => first <= last);
  });
}

/** Every character that is not among these. */
export function othersThan(given: readonly Range[]): Range[] {
  const gaps: Range[] = [];
  let next = 0;
  for (const [from, to] of rangesOf([...given, SURROGATES, [LAST + 1, LAST + 1]])) {
    if (next < from) gaps.push([next, from - 1]);
    next = to + 1;
  }
  // What is no character was left out of the ranges, so that a gap may reach across it.
  return rangesOf(gaps.map(([from, to]): Range => [from, Math.min(to, LAST)]));
}

/** What stands in a JSON string only behind a backslash. */
const ESCAPED: readonly Range[] = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
];

/** One character of these. */
export function oneOf(on: Expressions, ranges: readonly Range[], writing: Writing): Expression {
  if (writing === 'plain') return on.choice(rangesOf(ranges).flatMap((range) => utf8(on, range)));
  const bare = rangesOf(ranges).flatMap((range) => outside(range, ESCAPED));
  const escaped = rangesOf(ranges).flatMap(([from, to]) => {
    const behind: Expression[] = [];
    for (let code = from; code <= Math.min(to, 0x5c); code++) if (isEscaped(code)) behind.push(on.text(escapeOf(code)));
    return behind;
  });
  return on.choice([...bare.flatMap((range) => utf8(on, range)), ...escaped]);
}

function isEscaped(code: number): boolean {
  return ESCAPED.some(([from, to]) => code >= from && code <= to);
}

function escapeOf(code: number): string {
  return JSON.stringify(String.fromCharCode(code)).slice(1, -1);
}

function outside([from, to]: Range, holes: readonly Range[]): Range[] {
  const parts: Range[] = [];
  let next = from;
  for (const [first, last] of holes) {
    if (next < first && next <= to) parts.push([next, Math.min(first - 1, to)]);
    next = Math.max(next, last + 1);
  }
  return next <= to ? [...parts, [next, to]] : parts;
}

/** Cuts a range until each part is a product of ranges of bytes. */
function utf8(on: Expressions, [from, to]: Range): Expression[] {
  const length = LENGTHS.find((last) => from <= last && to > last);
  if (length !== undefined) return [...utf8(on, [from, length]), ...utf8(on, [length + 1, to])];
  const [first, last] = [Buffer.from(String.fromCodePoint(from)), Buffer.from(String.fromCodePoint(to))];
  for (let i = 1; i < first.length; i++) {
    const mask = (1 << (6 * i)) - 1;
    if ((from & ~mask) === (to & ~mask)) continue;
    if ((from & mask) !== 0) return [...utf8(on, [from, from | mask]), ...utf8(on, [(from | mask) + 1, to])];
    if ((to & mask) !== mask) return [...utf8(on, [from, (to & ~mask) - 1]), ...utf8(on, [to & ~mask, to])];
  }
  return [on.sequence(...[...first].map((byte, i) => on.bytes(byteSet([[byte, last[i] ?? byte]]))))];
}

/** Every character. */
export const ANY: readonly Range[] = [[0, LAST]];
