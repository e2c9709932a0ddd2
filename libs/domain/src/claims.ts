import type { AnswerPart, DraftCitation } from './conversation.ts';
import type { NumberedSource } from './sources.ts';

/** A quotation proven to stand in a snapshot: `snapshot.slice(start, end) === quote`. */
export interface Citation {
  /** Report id of the source, `s1` for the one marked `[1]`. */
  readonly source: string;
  readonly start: number;
  readonly end: number;
  readonly quote: string;
}

/** One assertion of the report with its proof. `unsupported` when no quotation of it could be found. */
export interface Claim {
  readonly text: string;
  readonly verdict: 'supported' | 'unsupported';
  readonly citations: readonly Citation[];
}

/** An answer whose every quotation was looked up. */
export interface VerifiedAnswer {
  /** Markdown with `[n]` marks; an unsupported claim carries `[unsupported]`. */
  readonly answer: string;
  readonly claims: readonly Claim[];
  /** Only what is cited, numbered `s1`, `s2`, ... in order of first citation. */
  readonly sources: readonly NumberedSource[];
}

/**
 * Checks every quotation of a draft against the stored snapshots; no model takes part.
 * A quotation is accepted where it stands exactly, else where it stands after folding white space and typographic
 * quotation marks; the citation then carries the snapshot's own characters. Anything else is dropped.
 * @param sources every source of the run, by sha256
 * @param snapshots their texts by sha256; a missing one makes its quotations unsupported
 * Cost: one `indexOf` a quotation; a folded copy of a snapshot only when an exact look-up failed.
 */
export function verifyAnswer(
  draft: readonly AnswerPart[],
  sources: ReadonlyMap<string, NumberedSource>,
  snapshots: ReadonlyMap<string, string>,
): VerifiedAnswer {
  const shaOf = new Map([...sources.values()].flatMap((s) => [[s.id, s.sha256] as const, [s.sha256, s.sha256]]));
  const cited = new Map<string, NumberedSource>();
  const claims: Claim[] = [];
  const blocks: string[] = [];
  const numberOf = (source: NumberedSource): string => {
    if (!cited.has(source.sha256)) cited.set(source.sha256, { ...source, id: `s${cited.size + 1}` });
    return cited.get(source.sha256)?.id ?? source.id;
  };
  for (const part of draft) {
    if (!part.claim) {
      blocks.push(part.text);
      continue;
    }
    const citations = part.citations.flatMap((citation): Citation[] => {
      const sha256 = shaOf.get(citation.source) ?? '';
      const source = sources.get(sha256);
      const place = locate(citation, snapshots.get(sha256));
      return source === undefined || place === null ? [] : [{ source: numberOf(source), ...place }];
    });
    const verdict = citations.length > 0 ? 'supported' : 'unsupported';
    claims.push({ text: part.text.trim(), verdict, citations });
    blocks.push(`${isQuotation(part) ? blockquote(part.text) : part.text} ${marks(citations)}`);
  }
  return { answer: joined(blocks), claims, sources: [...cited.values()] };
}

interface Place {
  readonly start: number;
  readonly end: number;
  readonly quote: string;
}

/** Finds a quotation in its snapshot, or null. An empty quotation proves nothing, nor does one that halves a character. */
export function locate(citation: DraftCitation, snapshot: string | undefined): Place | null {
  const { quote, start = -1, end } = citation;
  if (snapshot === undefined || quote.trim() === '' || !quote.isWellFormed()) return null;
  // `slice` also takes offsets from the end and beyond it; a reader of the report need not.
  const inside = start >= 0 && end === start + quote.length;
  if (inside && snapshot.slice(start, end) === quote) return { start, end, quote };
  const exact = snapshot.indexOf(quote);
  if (exact >= 0) return { start: exact, end: exact + quote.length, quote };
  return locateFolded(quote, snapshot);
}

function locateFolded(quote: string, snapshot: string): Place | null {
  const needle = fold(quote).text.trim();
  const hay = fold(snapshot);
  const at = hay.text.indexOf(needle);
  if (at < 0) return null;
  const start = hay.origin[at] ?? 0;
  const last = hay.origin[at + needle.length - 1] ?? start;
  return { start, end: last + 1, quote: snapshot.slice(start, last + 1) };
}

const quoteMarks: ReadonlyMap<string, string> = new Map([
  ...[...'\u2018\u2019\u201a\u201b'].map((c) => [c, "'"] as const),
  ...[...'\u201c\u201d\u201e\u201f\u00ab\u00bb'].map((c) => [c, '"'] as const),
]);

/** Runs of white space as one blank, typographic quotation marks as plain ones; `origin[i]` is where `text[i]` came from. */
function fold(text: string): { text: string; origin: number[] } {
  const folded: string[] = [];
  const origin: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    const blank = /\s/.test(char);
    if (blank && folded.at(-1) === ' ') continue;
    folded.push(blank ? ' ' : (quoteMarks.get(char) ?? char));
    origin.push(i);
  }
  return { text: folded.join(''), origin };
}

/** A block that brings its own white space continues the one before; others become paragraphs. */
function joined(blocks: readonly string[]): string {
  return blocks.reduce(
    (answer, block) => (answer === '' || /^\s/.test(block) ? answer + block : `${answer}\n\n${block}`),
    '',
  );
}

function isQuotation(part: AnswerPart): boolean {
  return part.citations.length === 1 && part.citations[0]?.quote === part.text;
}

function blockquote(text: string): string {
  return text
    .split('\n')
    .map((line) => `> ${line}`.trimEnd())
    .join('\n');
}

/** `[1][3]` for sources s1 and s3, each once. */
function marks(citations: readonly Citation[]): string {
  if (citations.length === 0) return '[unsupported]';
  return [...new Set(citations.map((c) => `[${c.source.slice(1)}]`))].join('');
}
