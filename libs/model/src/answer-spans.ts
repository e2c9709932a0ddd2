/** Where the blocks and sentences of a markdown text begin and end, and which of them assert something. */

/** A stretch of a text, the white space before it included; the spans of a text follow each other without gaps. */
export interface Span {
  readonly start: number;
  readonly end: number;
  /** False for headings, labels, rules, table heads: they assert nothing. */
  readonly claim: boolean;
  /** True when it may not be cut (a code block). */
  readonly whole: boolean;
}

interface Block {
  readonly start: number;
  readonly end: number;
  readonly kind: 'frame' | 'row' | 'code' | 'prose';
}

const FENCE = /^\s{0,3}(```|~~~)/;
const HEADING = /^\s{0,3}#{1,6}(?:\s|$)/;
const TABLE_ROW = /^\s*\|/;
const TABLE_RULE = /^\s*\|?[\s:|-]*-[\s:|-]*$/;
/** What may stand before the words of a line: list marks and quotation bars. */
const MARKER = /^\s*(?:(?:[-*+]|\d{1,3}[.)]|>)\s+)*/;
const LABEL =
  /^[*_]{0,3}(?:short answer|answer|summary|conclusion|key findings|findings|overview|in short|tl;dr)[*_]{0,3}:[*_]{0,3}(?=\s)/i;
const LABEL_WORDS = 6;
/** Full stops that end no sentence: before anything, and before a number. */
const ABBREVIATION = /(?:^|[\s("*_.])(?:[A-Z]|Dr|Mr|Mrs|Ms|Prof|St|vs|cf|e\.g|i\.e|ca|approx|Sen|Gov|Gen|Rep)\.$/;
const BEFORE_NUMBER = /(?:^|[\s("])(?:No|Nos|Fig|Figs|Eq|Sec|Ch|Vol|p|pp|v)\.$/i;

const sentences = new Intl.Segmenter('en', { granularity: 'sentence' });

/** @returns the spans in order; together they cover `text`. Cost O(characters). */
export function spansOf(text: string): Span[] {
  const spans: Span[] = [];
  let start = 0;
  for (const block of blocksOf(text)) {
    for (const { end, claim } of piecesOf(text, block)) {
      const stretch = text.slice(start, end);
      const words = hasWords(stretch);
      const before = spans.at(-1);
      if (!words && before && !stretch.includes('\n')) spans[spans.length - 1] = { ...before, end };
      else spans.push({ start, end, claim: claim && words, whole: block.kind === 'code' });
      start = end;
    }
  }
  return spans;
}

/** False for rules, bare punctuation and white space. */
export function hasWords(text: string): boolean {
  return /[\p{L}\p{N}]/u.test(text);
}

/** The ends of what a block falls into. */
function piecesOf(text: string, block: Block): { end: number; claim: boolean }[] {
  const body = text.slice(block.start, block.end);
  // A mark set right behind a closing fence would undo it, so the line break stays with the code.
  if (block.kind === 'code') return [{ end: Math.min(block.end + 1, text.length), claim: true }];
  if (block.kind !== 'prose') return [{ end: block.end, claim: block.kind === 'row' }];
  const marker = MARKER.exec(body)?.[0].length ?? 0;
  const words = body.slice(marker);
  if (isLabel(words)) return [{ end: block.end, claim: false }];
  const label = LABEL.exec(words)?.[0].length ?? 0;
  const from = block.start + marker + label;
  const pieces = sentenceEnds(words.slice(label)).map((end) => ({ end: from + end, claim: true }));
  return label > 0 ? [{ end: from, claim: false }, ...pieces] : pieces;
}

function isLabel(words: string): boolean {
  return /:[*_]{0,3}$/.test(words) && !/[.!?]\s/.test(words) && words.split(/\s+/).length <= LABEL_WORDS;
}

/** Offsets behind the last character of each sentence. */
function sentenceEnds(prose: string): number[] {
  const ends: number[] = [];
  for (const { segment, index } of sentences.segment(masked(prose))) {
    const end = index + segment.trimEnd().length;
    const before = ends.at(-1);
    if (before !== undefined && !isBorder(prose, before, index)) ends.pop();
    ends.push(end);
  }
  return ends;
}

/** False where the segmenter cut inside a URL or behind an abbreviation. */
function isBorder(prose: string, end: number, next: number): boolean {
  const sentence = prose.slice(Math.max(0, end - 20), end);
  if (end === next) return /[。！？…][”’」』）]*$/.test(sentence);
  if (ABBREVIATION.test(sentence)) return false;
  return !(BEFORE_NUMBER.test(sentence) && /\d/.test(prose.charAt(next)));
}

/** Same length, but line breaks, code and emphasis no longer mislead the segmenter. */
function masked(prose: string): string {
  return prose
    .replaceAll('\n', ' ')
    .replace(/`[^`]*`/g, (code) => code.replace(/[.!?]/g, 'x'))
    .replace(/[*_`]/g, '"');
}

/** Blocks without the line break behind them; blank lines belong to none. */
function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  const lines = text.split('\n');
  let start = 0;
  let open: 'code' | 'prose' | undefined;
  for (const [index, line] of lines.entries()) {
    const end = start + line.length;
    const kind = open === 'code' ? 'code' : kindOf(line, lines[index + 1] ?? '');
    const last = blocks.at(-1);
    const joins = kind !== undefined && kind === open && (kind === 'code' || !MARKER_LINE.test(line));
    if (last && joins) blocks[blocks.length - 1] = { ...last, end };
    else if (kind) blocks.push({ start, end, kind });
    if (kind === 'code') open = open === 'code' && FENCE.test(line) ? undefined : 'code';
    else open = kind === 'prose' ? 'prose' : undefined;
    start = end + 1;
  }
  return blocks;
}

const MARKER_LINE = /^\s*(?:[-*+]|\d{1,3}[.)]|>)\s/;

/** Nothing for a blank line. */
function kindOf(line: string, following: string): Block['kind'] | undefined {
  if (line.trim() === '') return undefined;
  if (FENCE.test(line)) return 'code';
  if (HEADING.test(line) || TABLE_RULE.test(line)) return 'frame';
  if (TABLE_ROW.test(line)) return TABLE_RULE.test(following) ? 'frame' : 'row';
  return 'prose';
}
