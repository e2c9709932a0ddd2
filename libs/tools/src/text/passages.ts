import { ALWAYS_CLOSE, type Block, markdownBlocks, pageBlocks, plainBlocks, rstBlocks } from './blocks.ts';
import { codeBlocks } from './code-blocks.ts';
import type { DocumentType, Span } from './document.ts';

/** Characters of a passage: joined up to `AIM` once it has `ENOUGH`, pieces of a long block up to `PIECE`, never over `MOST`. */
const ENOUGH = 300;
const AIM = 700;
const PIECE = 900;
const MOST = 1_200;
/** A passage shorter than this is no passage of its own where the one before it has room. */
const REST = 120;

/**
 * Cuts a snapshot text into passages that follow its structure.
 * @returns spans in order, without overlap, none over 1,200 characters, which cover all non-space text. Cost O(length).
 */
export function splitPassages(text: string, type: DocumentType): Span[] {
  const spans: Span[] = [];
  let open: Open | null = null;
  const close = () => {
    if (open) append(spans, { start: open.start, end: open.end, headings: open.headings });
    open = null;
  };
  for (const block of blocksOf(text, type)) {
    for (const piece of pieces(text, block)) {
      if (open && closesBefore(open, piece)) close();
      open = open ? join(open, piece) : { ...piece, bare: piece.leads };
    }
  }
  close();
  return spans;
}

/** The passage being put together; `bare` while it holds only blocks that lead to others. */
interface Open extends Block {
  readonly bare: boolean;
}

function blocksOf(text: string, type: DocumentType): Block[] {
  switch (type) {
    case 'markdown':
    case 'html':
      return markdownBlocks(text);
    case 'rst':
      return rstBlocks(text);
    case 'code':
      return codeBlocks(text);
    case 'pdf':
      return pageBlocks(text);
    case 'plain':
      return plainBlocks(text);
  }
}

/** A short rest of a section goes to the passage before it. */
function append(spans: Span[], span: Span): void {
  const last = spans.at(-1);
  const short = span.end - span.start < REST;
  if (last && short && span.end - last.start <= MOST && last.headings.join('\n') === span.headings.join('\n')) {
    spans[spans.length - 1] = { ...last, end: span.end };
  } else spans.push(span);
}

function closesBefore(open: Block, next: Block): boolean {
  const length = open.end - open.start;
  const together = next.end - open.start;
  if (together > MOST) return true;
  if (open.leads) return next.closeAt === ALWAYS_CLOSE;
  return length >= next.closeAt || (length >= ENOUGH && together > AIM);
}

/** A passage that so far is headings only takes the path of what comes under them. */
function join(open: Open, next: Block): Open {
  const headings = open.bare && startsWith(next.headings, open.headings) ? next.headings : open.headings;
  return { ...open, end: next.end, headings, leads: next.leads, bare: open.bare && next.leads };
}

function startsWith(path: readonly string[], prefix: readonly string[]): boolean {
  return prefix.every((heading, i) => path[i] === heading);
}

/** The block without space around it, cut where it is longer than a passage may be. */
function pieces(text: string, block: Block): Block[] {
  const found: Block[] = [];
  let start = skipSpace(text, block.start, block.end);
  const end = backSpace(text, start, block.end);
  while (end - start > MOST) {
    const cut = cutAt(text, start);
    const closeAt = found.length === 0 ? block.closeAt : Number.POSITIVE_INFINITY;
    found.push({ ...block, start, end: backSpace(text, start, cut), closeAt, leads: false });
    start = skipSpace(text, cut, end);
  }
  if (start < end) {
    found.push({ ...block, start, end, closeAt: found.length === 0 ? block.closeAt : Number.POSITIVE_INFINITY });
  }
  return found;
}

/** Ways to end a piece, best first: a blank line, a sentence at a line's end, a line, a sentence, a space. */
const CUTS = [/\n\s*\n/g, /[.!?。！？:;}]\s*\n/g, /\n/g, /[.!?](?=\s)|[。！？]/g, /\s/g];

function cutAt(text: string, start: number): number {
  const window = text.slice(start, start + PIECE);
  for (const cut of CUTS) {
    let best = -1;
    for (const match of window.matchAll(cut)) {
      const at = match.index + match[0].length;
      if (at >= ENOUGH) best = at;
    }
    if (best > 0) return start + best;
  }
  // No place to cut: take the whole window, but never half of a surrogate pair.
  const code = text.charCodeAt(start + PIECE - 1);
  return start + PIECE - (code >= 0xd800 && code <= 0xdbff ? 1 : 0);
}

function skipSpace(text: string, start: number, end: number): number {
  let at = start;
  while (at < end && isSpace(text, at)) at++;
  return at;
}

function backSpace(text: string, start: number, end: number): number {
  let at = end;
  while (at > start && isSpace(text, at - 1)) at--;
  return at;
}

function isSpace(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code <= 0x20 || (code >= 0x80 && /\s/.test(text.charAt(at)));
}
