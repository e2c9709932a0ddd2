import type { Span } from '../text/document.ts';

/** Most characters of a widened passage: long enough to answer, short enough to read. */
const WIDE = 1_200;

/**
 * Widens a passage by its neighbours of the same section, the following ones first, while the whole stays readable: the
 * sentence that answers often stands just before or after the one that matches. Pure.
 * @param spans passages of the document in order
 * @param at index of the passage in `spans`
 * @returns the widened range
 */
export function widen(spans: readonly Span[], at: number): { readonly start: number; readonly end: number } {
  const own = spans[at];
  if (own === undefined) throw new RangeError(`${at} is not among ${spans.length} passages`);
  const section = own.headings.join('\n');
  const fits = (span: Span | undefined, start: number, end: number): boolean =>
    span !== undefined && span.headings.join('\n') === section && end - start <= WIDE;
  let [first, last] = [at, at];
  const start = () => spans[first]?.start ?? own.start;
  const end = () => spans[last]?.end ?? own.end;
  while (fits(spans[last + 1], start(), spans[last + 1]?.end ?? Infinity)) last++;
  while (fits(spans[first - 1], spans[first - 1]?.start ?? -Infinity, end())) first--;
  return { start: start(), end: end() };
}
