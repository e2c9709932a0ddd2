import { claimSpans, type RunResource } from '../libs.ts';

export type Report = NonNullable<RunResource['report']>;
export type Claim = Report['claims'][number];
export type Citation = Claim['citations'][number];

/** Around a mark of a claim in the text that is handed to the markdown renderer; no answer keeps the inner character. */
export const markOpen = '{\uE000';
export const markClose = '\uE000}';
const reserved = /\uE000/g;

/**
 * The answer with each claim's marks made ones that say whose they are: `[1][2]` behind the fourth claim becomes
 * `(open)3:1(close)(open)3:2(close)`, `[unsupported]` becomes `(open)3:0(close)`. Marks of no claim stay as they are.
 */
export function markedAnswer(report: Pick<Report, 'answer' | 'claims'>): string {
  const { answer } = report;
  let [text, from] = ['', 0];
  for (const [index, span] of claimSpans(report).entries()) {
    if (span === null) continue;
    const [found = '', gap = '', marks = ''] =
      /^([\s>]*)((?:\[\d+\])+|\[unsupported\])/.exec(answer.slice(span.end)) ?? [];
    text += answer.slice(from, span.end).replace(reserved, '') + gap + signs(index, marks);
    from = span.end + found.length;
  }
  return text + answer.slice(from).replace(reserved, '');
}

function signs(claim: number, marks: string): string {
  const numbers = marks === '[unsupported]' ? ['0'] : [...marks.matchAll(/\d+/g)].map(([n]) => n);
  return numbers.map((n) => `${markOpen}${claim}:${n}${markClose}`).join('');
}

/** A quotation with the text around it, as its snapshot has it. */
export interface Excerpt {
  readonly before: string;
  readonly quote: string;
  readonly after: string;
  /** Whether something was left out at either side. */
  readonly cut: { readonly before: boolean; readonly after: boolean };
  /** Whether the snapshot has these very words at this very place. */
  readonly stands: boolean;
}

/** Most characters shown at either side of a quotation. */
const around = 420;

/** Cuts at white space, and never through a character. */
export function excerptOf(snapshot: string, { start, end, quote }: Pick<Citation, 'start' | 'end' | 'quote'>): Excerpt {
  const from = Math.max(0, start - around);
  const to = Math.min(snapshot.length, end + around);
  const before = snapshot.slice(from, start);
  const after = snapshot.slice(end, to);
  return {
    before: from === 0 ? before : before.replace(/^\S*\s?/, ''),
    quote,
    after: to === snapshot.length ? after : after.replace(/\s?\S*$/, ''),
    cut: { before: from > 0, after: to < snapshot.length },
    stands: snapshot.slice(start, end) === quote,
  };
}

/** What a claim says of a source: its citations there, or all of them for a mark without a number. */
export function citationsAt(report: Pick<Report, 'claims'>, claim: number, source: number): readonly Citation[] {
  const citations = report.claims[claim]?.citations ?? [];
  return citations.filter((citation) => citation.source === `s${source}`);
}
