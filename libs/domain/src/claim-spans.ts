import { blockquote, type Claim, marks } from './claims.ts';
import type { Report } from './report.ts';

/** A stretch of a text in UTF-16 code units; `end` is behind it. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Where each claim of a report stands in its answer: its words, without the marks behind them. Null for one that the
 * answer does not hold. Cost O(answer + claims).
 */
export function claimSpans({ answer, claims }: Pick<Report, 'answer' | 'claims'>): (Span | null)[] {
  let from = 0;
  return claims.map((claim) => {
    const span = spanOf(claim, answer, from);
    if (span !== null) from = span.end;
    return span;
  });
}

/** Only a place with the claim's own marks behind it counts: the same words may stand elsewhere as no claim. */
function spanOf({ text, citations }: Claim, answer: string, from: number): Span | null {
  const sign = marks(citations);
  const forms = [text, blockquote(text).replace(/^> ?/, '')];
  for (let start = from; start < answer.length; start += 1) {
    const starts = forms.map((form) => answer.indexOf(form, start)).filter((at) => at >= 0);
    if (starts.length === 0) return null;
    start = Math.min(...starts);
    for (const form of forms) {
      const end = start + form.length;
      if (answer.startsWith(form, start) && isMarked(answer, end, sign)) return { start, end };
    }
  }
  return null;
}

/** Between a claim and its marks there is white space, and the sign of a quotation whose last lines are empty. */
function isMarked(answer: string, end: number, sign: string): boolean {
  let at = end;
  while (/[\s>]/.test(answer.charAt(at))) at += 1;
  return answer.startsWith(sign, at);
}
