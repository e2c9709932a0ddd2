import { stems, subjectWords } from '#domain';
import type { Span } from './document.ts';

/** A span with how well it fits a goal; `score` is comparable within one page only. */
export interface FittingSpan extends Span {
  readonly score: number;
}

/** Okapi BM25's usual saturation and length constants. */
const K1 = 1.2;
const B = 0.75;

/**
 * The spans of one page that fit a goal best, by BM25 over the page's own spans (headings count twice), in page order.
 * Where no word of the goal occurs, the page's first spans with score 0. Cost O(length of the page).
 */
export function fittingSpans(
  page: { text: string; spans: readonly Span[] },
  goal: string,
  limit: number,
): FittingSpan[] {
  const wanted = new Set(subjectWords(goal).flatMap(stems));
  const counted = page.spans.map((span) => countWanted(page.text, span, wanted));
  const average = counted.reduce((sum, c) => sum + c.length, 0) / Math.max(1, counted.length);
  const frequency = new Map<string, number>();
  for (const { counts } of counted)
    for (const term of counts.keys()) frequency.set(term, (frequency.get(term) ?? 0) + 1);
  const scored = counted.map(({ span, counts, length }) => {
    let score = 0;
    for (const [term, count] of counts) {
      const df = frequency.get(term) ?? 0;
      const idf = Math.log(1 + (counted.length - df + 0.5) / (df + 0.5));
      score += (idf * count * (K1 + 1)) / (count + K1 * (1 - B + (B * length) / average));
    }
    return { ...span, score };
  });
  const fitting = scored.filter((span) => span.score > 0).sort((a, b) => b.score - a.score || a.start - b.start);
  return (fitting.length > 0 ? fitting : scored).slice(0, limit).sort((a, b) => a.start - b.start);
}

function countWanted(text: string, span: Span, wanted: ReadonlySet<string>) {
  const heading = stems(span.headings.join(' '));
  const words = [...stems(text.slice(span.start, span.end)), ...heading, ...heading];
  const counts = new Map<string, number>();
  for (const word of words) if (wanted.has(word)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return { span, counts, length: words.length };
}
