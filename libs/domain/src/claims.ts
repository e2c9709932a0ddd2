import type { AnswerPart, DraftCitation, DraftOutput } from './conversation.ts';
import type { CitationRule } from './request.ts';
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
  /** Markdown with `[n]` marks; an unsupported claim carries `[unsupported]`, or is gone under the rule `strict`. */
  readonly answer: string;
  /** Without those that were removed. */
  readonly claims: readonly Claim[];
  /** Claims that were removed. */
  readonly removed: number;
  /** The fields of an output that were to be proven. */
  readonly fields: readonly FieldProof[];
  /** Only what is cited, numbered `s1`, `s2`, ... in order of first citation. */
  readonly sources: readonly NumberedSource[];
  /** Why the claims without proof have none. */
  readonly faults: readonly ClaimFault[];
}

/** The proof of one field of an output. */
export interface FieldProof {
  /** JSON Pointer (RFC 6901) into the output. */
  readonly path: string;
  readonly verdict: Claim['verdict'];
  readonly citations: readonly Citation[];
}

/** A claim without proof, and why, in words for its author. */
export interface ClaimFault {
  readonly text: string;
  readonly reason: string;
}

/** What a run has read: its sources by sha256, and their texts. */
export interface Evidence {
  readonly sources: ReadonlyMap<string, NumberedSource>;
  /** A missing text makes the quotations from it unsupported. */
  readonly snapshots: ReadonlyMap<string, string>;
}

/** What is to be verified: an answer, and where there is an output, the quotations for its fields. */
export interface Verifiable {
  readonly draft: readonly AnswerPart[];
  readonly fields?: DraftOutput['citations'];
  readonly rule?: CitationRule;
}

/**
 * Checks every quotation of a draft against the stored snapshots; no model takes part.
 * A quotation is accepted where it stands exactly, else where it stands after folding white space and typographic
 * quotation marks; the citation then carries the snapshot's own characters. Anything else is dropped.
 * Cost: one `indexOf` a quotation; each snapshot folded at most once, and only where an exact look-up failed.
 */
export function verifyAnswer({ draft, fields = {}, rule = 'mark' }: Verifiable, evidence: Evidence): VerifiedAnswer {
  const lookUp = new LookUp(evidence);
  const claims: Claim[] = [];
  const faults: ClaimFault[] = [];
  const blocks: string[] = [];
  let removed = 0;
  /** The line break and list marker of a claim that was taken out: what follows it in its line begins with them. */
  let orphaned = '';
  for (const part of draft) {
    const text = adopted(orphaned, part.text);
    if (!part.claim) {
      blocks.push(text);
      orphaned = '';
      continue;
    }
    const { proofs, misses } = lookUp.prove(part.citations);
    const supported = proofs.length > 0;
    if (!supported) faults.push({ text: part.text.trim(), reason: misses.join(' ') || 'it cites nothing.' });
    if (!supported && rule === 'strict') {
      removed += 1;
      orphaned = LEAD.exec(text)?.[0] ?? '';
      continue;
    }
    const citations = proofs.map((proof) => lookUp.cite(proof));
    claims.push({ text: part.text.trim(), verdict: supported ? 'supported' : 'unsupported', citations });
    orphaned = '';
    blocks.push(`${isQuotation(part) ? blockquote(part.text) : text} ${marks(citations)}`);
  }
  const proven = Object.entries(fields).map(([path, quotations]): FieldProof => {
    const citations = lookUp.prove(quotations).proofs.map((proof) => lookUp.cite(proof));
    return { path, verdict: citations.length > 0 ? 'supported' : 'unsupported', citations };
  });
  return { answer: joined(blocks), claims, removed, fields: proven, sources: lookUp.cited, faults };
}

/** White space and the marker of a list item before the words of a claim. */
const LEAD = /^\s*(?:(?:[-*+>]|\d{1,3}[.)])\s+)?/;

/** A part behind a removed one, which begins a line if that one did. */
function adopted(lead: string, text: string): string {
  return lead === '' || /^\s*\n/.test(text) ? text : lead + text.trimStart();
}

/** The snapshots that a draft leans on, by sha256: what must be at hand to verify it. */
export function citedHashes({ draft, fields = {} }: Verifiable, sources: Evidence['sources']): string[] {
  const shown = new Map([...sources.values()].map(({ id, sha256 }) => [id, sha256]));
  const citations = [...draft.flatMap((part) => part.citations), ...Object.values(fields).flat()];
  const hashes = citations.map(({ source }) => shown.get(source) ?? source);
  return [...new Set(hashes)].filter((sha256) => sources.has(sha256));
}

interface Proof {
  readonly source: NumberedSource;
  readonly place: Place;
}

/** Finds quotations in what a run has read, and numbers the sources that are cited. */
class LookUp {
  readonly #evidence: Evidence;
  /** Sources go by the id that was shown to the model, or by their hash. */
  readonly #hashes: ReadonlyMap<string, string>;
  readonly #cited = new Map<string, NumberedSource>();
  readonly #folded = new Map<string, Folded>();

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
    const sources = [...evidence.sources.values()];
    this.#hashes = new Map(sources.flatMap((s) => [[s.id, s.sha256] as const, [s.sha256, s.sha256]]));
  }

  get cited(): NumberedSource[] {
    return [...this.#cited.values()];
  }

  prove(citations: readonly DraftCitation[]): { proofs: Proof[]; misses: string[] } {
    const proofs: Proof[] = [];
    const misses: string[] = [];
    for (const citation of citations) {
      const sha256 = this.#hashes.get(citation.source) ?? '';
      const source = this.#evidence.sources.get(sha256);
      const place = locate(citation, this.#evidence.snapshots.get(sha256), () => this.#fold(sha256));
      if (source !== undefined && place !== null) proofs.push({ source, place });
      else if (source === undefined) misses.push(`"${citation.source}" is not the id of a source that was shown.`);
      else misses.push(`the quote "${citation.quote}" does not stand in ${citation.source}.`);
    }
    return { proofs, misses };
  }

  cite({ source, place }: Proof): Citation {
    const known = this.#cited.get(source.sha256) ?? { ...source, id: `s${this.#cited.size + 1}` };
    this.#cited.set(source.sha256, known);
    return { source: known.id, ...place };
  }

  #fold(sha256: string): Folded {
    const known = this.#folded.get(sha256) ?? fold(this.#evidence.snapshots.get(sha256) ?? '');
    this.#folded.set(sha256, known);
    return known;
  }
}

/** Where quotations stand in one text, by the rule of {@link verifyAnswer}: those that do, in their order. */
export function locateQuotes(quotes: readonly string[], snapshot: string): Place[] {
  let folded: Folded | undefined;
  const foldOnce = () => {
    folded ??= fold(snapshot);
    return folded;
  };
  return quotes.flatMap((quote) => locate({ source: '', quote }, snapshot, foldOnce) ?? []);
}

/** A stretch of a snapshot and its characters. */
export interface Place {
  readonly start: number;
  readonly end: number;
  readonly quote: string;
}

/** Finds a quotation in its snapshot, or null. An empty quotation proves nothing, nor does one that halves a character. */
export function locate(
  citation: DraftCitation,
  snapshot: string | undefined,
  folded: () => Folded = () => fold(snapshot ?? ''),
): Place | null {
  const { quote, start = -1, end } = citation;
  if (snapshot === undefined || quote.trim() === '' || !quote.isWellFormed()) return null;
  // `slice` also takes offsets from the end and beyond it; a reader of the report need not.
  const inside = start >= 0 && end === start + quote.length;
  if (inside && snapshot.slice(start, end) === quote) return { start, end, quote };
  const exact = snapshot.indexOf(quote);
  if (exact >= 0) return { start: exact, end: exact + quote.length, quote };
  return locateFolded(quote, snapshot, folded());
}

function locateFolded(quote: string, snapshot: string, hay: Folded): Place | null {
  const needle = fold(quote).text.trim();
  const at = hay.text.indexOf(needle);
  if (at < 0) return null;
  const start = hay.origin[at] ?? 0;
  const last = hay.origin[at + needle.length - 1] ?? start;
  return { start, end: last + 1, quote: snapshot.slice(start, last + 1) };
}

/** A text with runs of white space as one blank and typographic quotation marks as plain ones; `origin[i]` is where `text[i]` came from. */
interface Folded {
  readonly text: string;
  readonly origin: Uint32Array;
}

const quoteMarks: ReadonlyMap<number, number> = new Map([
  ...[...'\u2018\u2019\u201a\u201b'].map((c) => [c.charCodeAt(0), 0x27] as const),
  ...[...'\u201c\u201d\u201e\u201f\u00ab\u00bb'].map((c) => [c.charCodeAt(0), 0x22] as const),
]);

const blank = 0x20;

function fold(text: string): Folded {
  const units = new Uint16Array(text.length);
  const origin = new Uint32Array(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const isBlank = isWhiteSpace(unit);
    if (isBlank && length > 0 && units[length - 1] === blank) continue;
    units[length] = isBlank ? blank : unit < 0xab ? unit : (quoteMarks.get(unit) ?? unit);
    origin[length] = i;
    length += 1;
  }
  const bytes = Buffer.from(units.buffer, 0, length * 2);
  return { text: bytes.toString('utf16le'), origin };
}

/** What `\s` matches. */
function isWhiteSpace(unit: number): boolean {
  if (unit <= blank) return unit === blank || (unit >= 9 && unit <= 13);
  if (unit < 0x1680) return unit === 0xa0;
  return (unit >= 0x2000 && unit <= 0x200a) || rareSpaces.has(unit);
}

const rareSpaces: ReadonlySet<number> = new Set([0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff]);

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

export function blockquote(text: string): string {
  return text
    .split('\n')
    .map((line) => `> ${line}`.trimEnd())
    .join('\n');
}

/** `[1][3]` for sources s1 and s3, each once. */
export function marks(citations: readonly Citation[]): string {
  if (citations.length === 0) return '[unsupported]';
  return [...new Set(citations.map((c) => `[${c.source.slice(1)}]`))].join('');
}
