/** A piece of a text that passages are packed from. Blocks are in order, apart, and cover all non-space text. */
export interface Block {
  readonly start: number;
  readonly end: number;
  readonly headings: readonly string[];
  /** A passage of at least this many characters is closed before the block; `Infinity`: only for want of room. */
  readonly closeAt: number;
  /** The block introduces the next one and is not to be parted from it. */
  readonly leads: boolean;
}

/** A line of a text without its newline. */
export interface Line {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Cuts a text into lines. Cost O(length). */
export function linesOf(text: string): Line[] {
  const lines: Line[] = [];
  for (let start = 0; start <= text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    lines.push({ start, end, text: text.slice(start, end) });
    start = end + 1;
  }
  return lines;
}

/** The headings above a place, kept while reading down a text. */
export class HeadingPath {
  readonly #stack: { level: number; text: string }[] = [];
  #path: readonly string[] = [];

  get path(): readonly string[] {
    return this.#path;
  }

  /** Leaves every heading of `level` or deeper. */
  leave(level: number): void {
    let top = this.#stack.at(-1);
    if (!top || top.level < level) return;
    while (top && top.level >= level) {
      this.#stack.pop();
      top = this.#stack.at(-1);
    }
    this.#path = this.#stack.map((h) => h.text);
  }

  enter(level: number, text: string): void {
    this.leave(level);
    this.#stack.push({ level, text });
    this.#path = this.#stack.map((h) => h.text);
  }
}

/** `closeAt` of a block that never shares a passage with what comes before it. */
export const ALWAYS_CLOSE = 0;
/** Shortest passage that is closed for a heading of its own rank, and for one below it. */
const CLOSE_FOR_PEER = 60;
const CLOSE_FOR_CHILD = 150;

/** Paragraphs (stretches without a blank line); also the fallback of the other readers. */
export function plainBlocks(text: string): Block[] {
  return paragraphs(linesOf(text), [], Number.POSITIVE_INFINITY);
}

/** Pages parted by form feeds; each starts a passage of its own under the heading `Page n`. */
export function pageBlocks(text: string): Block[] {
  const blocks: Block[] = [];
  let start = 0;
  text.split('\f').forEach((page, index) => {
    const offset = start;
    const lines = linesOf(page).map((l) => ({ ...l, start: l.start + offset, end: l.end + offset }));
    blocks.push(...paragraphs(lines, [`Page ${index + 1}`], ALWAYS_CLOSE));
    start += page.length + 1;
  });
  return blocks;
}

function paragraphs(lines: readonly Line[], headings: readonly string[], firstCloseAt: number): Block[] {
  const blocks: Block[] = [];
  let first: Line | null = null;
  let last: Line | null = null;
  const flush = () => {
    if (first && last) {
      const closeAt = blocks.length === 0 ? firstCloseAt : Number.POSITIVE_INFINITY;
      blocks.push({ start: first.start, end: last.end, headings, closeAt, leads: last.text.trimEnd().endsWith(':') });
    }
    first = null;
  };
  for (const line of lines) {
    if (line.text.trim() === '') flush();
    else {
      first ??= line;
      last = line;
    }
  }
  flush();
  return blocks;
}

/** A heading found at a line: how many lines it takes, its rank (1 = outermost) and its words. */
interface Heading {
  readonly lines: number;
  readonly level: number;
  readonly text: string;
}

type HeadingReader = (lines: readonly Line[], index: number) => Heading | null;

/** Markdown: ATX and setext headings, fenced code, front matter; lists and tables are paragraphs. */
export function markdownBlocks(text: string): Block[] {
  return structuredBlocks(linesOf(text), markdownHeading);
}

/** reStructuredText: section titles with underline, ranked in order of first appearance as the format says. */
export function rstBlocks(text: string): Block[] {
  const ranks: string[] = [];
  return structuredBlocks(linesOf(text), (lines, index) => rstHeading(lines, index, ranks));
}

function structuredBlocks(lines: readonly Line[], headingAt: HeadingReader): Block[] {
  const path = new HeadingPath();
  const blocks: Block[] = [];
  let depth = 0;
  let from = 0;
  const flush = (to: number) => {
    blocks.push(...paragraphs(lines.slice(from, to), path.path, Number.POSITIVE_INFINITY));
  };
  for (let i = 0; i < lines.length; ) {
    const fenced = fenceEnd(lines, i);
    const heading = fenced === null ? headingAt(lines, i) : null;
    if (fenced === null && !heading) {
      i++;
      continue;
    }
    flush(i);
    const next = heading ? i + heading.lines : (fenced ?? i + 1);
    let closeAt = Number.POSITIVE_INFINITY;
    if (heading) {
      closeAt = heading.level <= depth ? CLOSE_FOR_PEER : CLOSE_FOR_CHILD;
      depth = heading.level;
      path.enter(heading.level, heading.text);
    }
    const [first, last] = [lines[i], lines[next - 1]];
    if (first && last) {
      blocks.push({ start: first.start, end: last.end, headings: path.path, closeAt, leads: heading !== null });
    }
    i = next;
    from = next;
  }
  flush(lines.length);
  return blocks;
}

/** The words of a Markdown text's first heading of rank 1, also as an HTML element; null without one. Cost O(length). */
export function mainHeading(text: string): string | null {
  const lines = linesOf(text);
  for (let i = 0; i < lines.length; i++) {
    const fenced = fenceEnd(lines, i);
    const heading = fenced === null ? markdownHeading(lines, i) : null;
    if (heading?.level === 1) return heading.text || null;
    const html = /<h1[^>]{0,300}>(.{1,300}?)<\/h1>/i.exec(lines[i]?.text ?? '')?.[1];
    if (fenced === null && html) return plainHeading(html) || null;
    if (fenced !== null) i = fenced - 1;
  }
  return null;
}

/** Index after the fenced block (or front matter) that opens at `index`; null when none does. */
function fenceEnd(lines: readonly Line[], index: number): number | null {
  const open = lines[index]?.text ?? '';
  if (index === 0 && open.trimEnd() === '---') {
    const close = lines.findIndex((l, i) => i > 0 && i < 60 && l.text.trimEnd() === '---');
    return close > 0 ? close + 1 : null;
  }
  const fence = /^\s*(?:[-*+]\s+)?(`{3,}|~{3,})/.exec(open)?.[1];
  if (!fence) return null;
  for (let i = index + 1; i < lines.length; i++) {
    const text = lines[i]?.text.trim() ?? '';
    if (text.startsWith(fence) && text.replaceAll(fence.charAt(0), '') === '') return i + 1;
  }
  return lines.length;
}

function markdownHeading(lines: readonly Line[], index: number): Heading | null {
  const text = lines[index]?.text ?? '';
  const atx = /^ {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$/.exec(text);
  if (atx?.[2]) return { lines: 1, level: atx[1]?.length ?? 1, text: plainHeading(atx[2]) };
  if (text.trim() === '' || /^\s*([-*+>|]|\d+[.)])\s?/.test(text)) return null;
  const before = lines[index - 1]?.text.trim() ?? '';
  const under = /^ {0,3}(=+|-{2,})[ \t]*$/.exec(lines[index + 1]?.text ?? '')?.[1];
  if (before !== '' || !under) return null;
  return { lines: 2, level: under.startsWith('=') ? 1 : 2, text: plainHeading(text) };
}

const UNDERLINE = /^([=\-~^"'`#*+:._])\1{2,}\s*$/;

function rstHeading(lines: readonly Line[], index: number, ranks: string[]): Heading | null {
  const [one, two, three] = [lines[index]?.text ?? '', lines[index + 1]?.text ?? '', lines[index + 2]?.text ?? ''];
  const over = UNDERLINE.exec(one)?.[1];
  const overlined = over !== undefined && two.trim() !== '' && UNDERLINE.exec(three)?.[1] === over;
  const title = overlined ? two : one;
  const mark = overlined ? over : UNDERLINE.exec(two)?.[1];
  if (!mark || title.trim() === '' || UNDERLINE.test(title) || (!overlined && /^\s/.test(title))) return null;
  const style = overlined ? `${mark}${mark}` : mark;
  if (!ranks.includes(style)) ranks.push(style);
  return { lines: overlined ? 3 : 2, level: ranks.indexOf(style) + 1, text: plainHeading(title) };
}

/** Heading words without their markup. */
function plainHeading(text: string): string {
  const words = text
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/<[^>]{1,200}>/g, '')
    .replace(/\{#[^}]*\}\s*$/, '')
    .replace(/[`*]/g, '');
  return words.replace(/\s+/g, ' ').trim().slice(0, 200);
}
