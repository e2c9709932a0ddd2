import { claimSpans, type Report } from '#domain';

/** A stretch of text of one look. */
export interface Piece {
  readonly text: string;
  readonly look: 'plain' | 'strong' | 'stressed' | 'code';
  /** Of `http` or `https`. */
  readonly href?: string;
  /** A footnote that hangs on the end of it. */
  readonly note?: Footnote;
}

/** The proof of a claim in one source; or that there is none. */
export interface Footnote {
  readonly quotes: readonly string[];
  /** Null for a claim without proof. */
  readonly source: { readonly title: string; readonly uri: string } | null;
}

/** A block of a report, as every format that is no markdown lays it out. */
export interface Block {
  readonly kind: 'heading' | 'paragraph' | 'item' | 'quotation' | 'code';
  /** Of a heading, from 1. */
  readonly level: number;
  /** What stands before an item: a bullet, or its number as it was written. Else empty. */
  readonly mark: string;
  readonly pieces: readonly Piece[];
}

const [open, close] = ['\uE000', '\uE001'];
const reserved = /[\uE000\uE001]/g;

/**
 * The answer of a report in blocks, the marks of its claims made footnotes. Of markdown it knows what reports are written
 * in: headings, paragraphs, lists, quotations, code, emphasis and links; a table keeps its rows, a line each, and what else
 * there is stays as it was written.
 */
export function blocksOf(report: Pick<Report, 'answer' | 'claims' | 'sources'>): Block[] {
  const notes: Footnote[] = [];
  const text = signed(report, notes);
  const blocks: Block[] = [];
  for (const raw of paragraphs(text))
    blocks.push({ ...raw, pieces: raw.kind === 'code' ? codeOf(raw.text) : piecesOf(raw.text, notes) });
  return blocks;
}

/** The answer with a sign in the place of each claim's marks, which names its footnote. */
function signed(report: Pick<Report, 'answer' | 'claims' | 'sources'>, notes: Footnote[]): string {
  const { answer, claims, sources } = report;
  let [text, from] = ['', 0];
  for (const [index, span] of claimSpans(report).entries()) {
    if (span === null) continue;
    const [found = '', marks = ''] = /^[\s>]*((?:\[\d+\])+|\[unsupported\])/.exec(answer.slice(span.end)) ?? [];
    const numbers = [...marks.matchAll(/\d+/g)].map(([n]) => `s${n}`);
    const named = marks === '[unsupported]' ? [null] : numbers;
    const signs = named.map((id) => {
      const quotes = (claims[index]?.citations ?? []).filter(({ source }) => source === id).map(({ quote }) => quote);
      const source = sources.find((one) => one.id === id) ?? null;
      return `${open}${notes.push({ quotes, source }) - 1}${close}`;
    });
    text += answer.slice(from, span.end).replace(reserved, '') + signs.join('');
    from = span.end + found.length;
  }
  return text + answer.slice(from).replace(reserved, '');
}

interface RawBlock {
  readonly kind: Block['kind'];
  readonly level: number;
  readonly mark: string;
  readonly text: string;
}

/** Lines that belong together. */
function paragraphs(text: string): RawBlock[] {
  const blocks: RawBlock[] = [];
  let fenced: string[] | null = null;
  let last: 'open' | 'closed' = 'closed';
  for (const line of text.split('\n')) {
    if (/^\s*(```|~~~)/.test(line)) {
      if (fenced !== null) blocks.push({ kind: 'code', level: 0, mark: '', text: fenced.join('\n') });
      fenced = fenced === null ? [] : null;
      last = 'closed';
      continue;
    }
    if (fenced !== null) {
      fenced.push(line);
      continue;
    }
    const read = readLine(line);
    const before = blocks.at(-1);
    if (read === null) last = 'closed';
    else if (last === 'open' && before !== undefined && continues(before, read)) {
      blocks[blocks.length - 1] = { ...before, text: `${before.text} ${read.text}` };
    } else {
      blocks.push(read);
      last = read.kind === 'heading' ? 'closed' : 'open';
    }
  }
  if (fenced !== null) blocks.push({ kind: 'code', level: 0, mark: '', text: fenced.join('\n') });
  return blocks;
}

function continues(before: RawBlock, { kind, text }: RawBlock): boolean {
  if (before.text.startsWith('|') || text.startsWith('|')) return false;
  return before.kind === kind ? kind !== 'item' && kind !== 'heading' : before.kind === 'item' && kind === 'paragraph';
}

/** What divides the head of a table from its rows. */
const divider = /^\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)+\|?$/;

/** Null for a line that says nothing, also one inside a quotation. */
function readLine(line: string): RawBlock | null {
  const quoted = /^\s*>\s?(.*)$/.exec(line)?.[1];
  const text = (quoted ?? line).trim();
  if (text === '' || divider.test(text)) return null;
  const [, signs, heading] = /^(#{1,6})\s+(.*?)\s*#*$/.exec(text) ?? [];
  if (signs !== undefined && heading !== undefined) {
    return { kind: 'heading', level: signs.length, mark: '', text: heading };
  }
  if (quoted !== undefined) return { kind: 'quotation', level: 0, mark: '', text };
  const [, number, item] = /^(?:[-*+]|(\d{1,3}[.)]))\s+(.*)$/.exec(text) ?? [];
  return item === undefined
    ? { kind: 'paragraph', level: 0, mark: '', text }
    : { kind: 'item', level: 0, mark: number ?? '•', text: item };
}

const codeOf = (text: string): Piece[] => [{ text, look: 'code' }];

/** A sign of ours, code, strong, stressed, a link. */
const marked =
  /\uE000(\d+)\uE001|`([^`]+)`|\*\*([^*]+)\*\*|(?<![*\w])[*_]([^*_]+)[*_](?![*\w])|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g;

function piecesOf(text: string, notes: readonly Footnote[]): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(marked)) {
    if (match.index > from) pieces.push({ text: text.slice(from, match.index), look: 'plain' });
    from = match.index + match[0].length;
    pieces.push(pieceOf(match, notes));
  }
  if (from < text.length) pieces.push({ text: text.slice(from), look: 'plain' });
  return pieces;
}

function pieceOf([, sign, code, strong, stressed, label, href]: RegExpMatchArray, notes: readonly Footnote[]): Piece {
  const note = sign === undefined ? undefined : notes[Number(sign)];
  if (note !== undefined) return { text: '', look: 'plain', note };
  if (code !== undefined) return { text: code, look: 'code' };
  if (strong !== undefined) return { text: strong, look: 'strong' };
  if (stressed !== undefined) return { text: stressed, look: 'stressed' };
  return { text: label ?? '', look: 'plain', ...(href === undefined ? {} : { href }) };
}
