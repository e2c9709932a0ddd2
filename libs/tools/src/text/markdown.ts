import { type DomElement, type DomNode, firstNamed, following, isElement, oneLine, textOf } from './dom.ts';
import { isLayout, rowsOf, tableLines } from './tables.ts';
import { visible } from './unseen.ts';

/** Elements that start and end a paragraph. */
const BLOCKS = new Set(
  [
    'address article aside body center details dialog div dl dd dt fieldset figcaption figure form header hgroup hr html',
    'legend li main menu ol optgroup option p pre section summary table tbody td tfoot th thead tr ul caption',
  ].flatMap((names) => names.split(' ')),
);
/** Deeper elements give their words and no structure: the walk is recursive, and a page may nest without end. */
const MOST_DEPTH = 250;
const MOST_INDENTS = 8;
/** A line break inside a paragraph while it is gathered; U+0001 stands in no text of a page that is worth keeping. */
const BREAK = '\u0001';

/**
 * What stands in an element as Markdown-like text: headings, lists, tables and code keep their form, links and images
 * their words only, emphasis nothing; nothing is escaped, for the text is quoted word for word. Cost O(size).
 */
export function toMarkdown(root: DomElement): string {
  const writer = new Writer();
  writer.write(root);
  return visible(writer.text()).trim();
}

/** Where lines stand: in a list item or a quotation. */
interface Indent {
  first: string;
  readonly rest: string;
}

/** Gathers paragraphs while walking down a page. */
class Writer {
  readonly #parts: string[] = [];
  readonly #indents: Indent[] = [];
  #gathered = '';
  /** Line ends before the next paragraph. */
  #gap = 0;

  text(): string {
    this.#end();
    return this.#parts.join('');
  }

  write(parent: DomNode, depth = 0): void {
    for (let node = parent.firstChild; node; node = node.nextSibling) {
      const text = textOf(node);
      if (text !== null) this.#gathered += text;
      else if (isElement(node)) this.#element(node, depth + 1);
    }
  }

  #element(element: DomElement, depth: number): void {
    if (depth > MOST_DEPTH) {
      this.#gathered += element.textContent ?? '';
      return;
    }
    const special = SPECIAL[element.localName];
    if (special) special.call(this, element, depth);
    else if (BLOCKS.has(element.localName)) this.#block(element, depth);
    else this.write(element, depth);
  }

  #block(element: DomElement, depth: number): void {
    this.#end();
    this.write(element, depth);
    this.#end();
  }

  /** Ends the paragraph under way. */
  #end(): void {
    if (this.#gathered === '') return;
    const lines = this.#gathered.replace(/[ \t\n\f\r\u00a0]+/g, ' ').split(BREAK);
    this.#gathered = '';
    const kept = lines.map((line) => line.trim());
    while (kept.length > 0 && kept[0] === '') kept.shift();
    while (kept.length > 0 && kept.at(-1) === '') kept.pop();
    this.#emit(kept.filter((line, n) => line !== '' || kept[n - 1] !== ''));
  }

  #emit(lines: readonly string[]): void {
    if (lines.length === 0) return;
    if (this.#parts.length > 0) this.#parts.push('\n'.repeat(Math.max(1, this.#gap)));
    this.#parts.push(lines.map((line) => `${this.#indent()}${line}`.trimEnd()).join('\n'));
    this.#gap = 2;
  }

  #indent(): string {
    let indent = '';
    for (const level of this.#indents) {
      indent += level.first;
      level.first = level.rest;
    }
    return indent;
  }

  #inside(indent: Indent, element: DomElement, depth: number): void {
    this.#end();
    const room = this.#indents.length < MOST_INDENTS;
    if (room) this.#indents.push(indent);
    this.write(element, depth);
    this.#end();
    if (room) this.#indents.pop();
  }

  heading(element: DomElement, depth: number): void {
    this.#end();
    const words = lineOf(element, depth).replace(/\s*[¶§#]$/u, '');
    if (words !== '') this.#emit([`${'#'.repeat(Number(element.localName.slice(1)))} ${words}`]);
  }

  list(element: DomElement, depth: number): void {
    this.#end();
    const nested = this.#indents.length > 0;
    let number = element.localName === 'ol' ? Number(element.getAttribute('start') ?? 1) || 1 : null;
    let first = true;
    for (let node = element.firstChild; node; node = node.nextSibling) {
      if (!isElement(node)) continue;
      const item = node.localName === 'li' && !holdsHeading(node);
      if (item && (!first || nested)) this.#gap = Math.min(this.#gap, 1);
      const mark = number === null ? '- ' : `${number}. `;
      if (item) {
        this.#inside({ first: mark, rest: ' '.repeat(mark.length) }, node, depth + 1);
        if (number !== null) number++;
      } else this.#element(node, depth + 1);
      first = false;
    }
    this.#gap = 2;
  }

  /** A definition follows its term without a blank line, so that a passage holds both. */
  definition(element: DomElement, depth: number): void {
    this.#end();
    this.#gap = Math.min(this.#gap, 1);
    this.#block(element, depth);
  }

  quotation(element: DomElement, depth: number): void {
    this.#inside({ first: '> ', rest: '> ' }, element, depth);
  }

  code(element: DomElement, depth: number): void {
    const words = firstNamed(element, 'sup') ? lineOf(element, depth) : oneLine(element.textContent ?? '');
    this.#gathered += words === '' || words.includes('`') ? words : `\`${words}\``;
  }

  fenced(element: DomElement): void {
    this.#end();
    const code = verbatim(element)
      .replace(/\r\n?/g, '\n')
      .replace(/^\n|\s+$/g, '');
    if (code.trim() === '') return;
    const fence = code.includes('```') ? '~~~~' : '```';
    this.#emit([`${fence}${languageOf(element)}`, ...code.split('\n'), fence]);
  }

  table(element: DomElement, depth: number): void {
    const rows = rowsOf(element);
    this.#end();
    if (rows.length === 0 || isLayout(element, rows)) {
      this.#block(element, depth);
      return;
    }
    const caption = firstNamed(element, 'caption');
    if (caption) this.#emit([lineOf(caption, depth)].filter((line) => line !== ''));
    this.#emit(tableLines(rows, (cell) => lineOf(cell, depth)));
  }

  image(element: DomElement): void {
    const words = oneLine(element.getAttribute('alt') ?? '');
    if (words !== '') this.#gathered += ` ${words} `;
  }

  /** 10<sup>6</sup> is no 106; marks of footnotes and ordinals stay as they are. */
  raised(element: DomElement): void {
    const words = oneLine(element.textContent ?? '');
    const power = /^[-+−–]?(?:\d+|[nkmxi])$/.test(words) && !firstNamed(element, 'a') && /[\w)]$/.test(this.#gathered);
    this.#gathered += power ? `^${words}` : words;
  }

  formula(element: DomElement): void {
    this.#gathered += ` ${oneLine(element.getAttribute('alttext') ?? element.textContent ?? '')} `;
  }

  break(): void {
    this.#gathered += BREAK;
  }

  /** What belongs to a line and not to its words: the mark of a heading's address. */
  link(element: DomElement, depth: number): void {
    if (/^[¶§#🔗]?$/u.test((element.textContent ?? '').trim()) && !firstNamed(element, 'img')) return;
    this.write(element, depth);
  }
}

type Special = (this: Writer, element: DomElement, depth: number) => void;

const { prototype: its } = Writer;
const SPECIAL: Readonly<Record<string, Special>> = {
  ...Object.fromEntries(['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((name) => [name, its.heading])),
  ...Object.fromEntries(['ul', 'ol', 'menu'].map((name) => [name, its.list])),
  ...Object.fromEntries(['code', 'kbd', 'samp', 'tt'].map((name) => [name, its.code])),
  ...Object.fromEntries(['img', 'amp-img'].map((name) => [name, its.image])),
  ...{ dd: its.definition, blockquote: its.quotation, pre: its.fenced, listing: its.fenced, table: its.table },
  ...{ br: its.break, sup: its.raised, math: its.formula, a: its.link, caption: () => undefined },
};

/** Items with headings are parts of the page and no list. */
function holdsHeading(item: DomElement): boolean {
  for (let node = item.firstChild; node; node = node.nextSibling) {
    if (isElement(node) && /^h[1-6]$/.test(node.localName)) return true;
  }
  return false;
}

/** The words of an element in one line. @param depth of the element in the page */
function lineOf(element: DomElement, depth: number): string {
  const writer = new Writer();
  writer.write(element, depth);
  return oneLine(writer.text());
}

/** The text of a listing as it stands, line breaks that are elements included. */
function verbatim(listing: DomElement): string {
  let text = '';
  for (let node = following(listing, listing, true); node; node = following(node, listing, true)) {
    text += isElement(node) && node.localName === 'br' ? '\n' : (textOf(node) ?? '');
  }
  return text;
}

function languageOf(pre: DomElement): string {
  const around = pre.parentNode && isElement(pre.parentNode) ? (pre.parentNode.getAttribute('class') ?? '') : '';
  const classes = `${pre.getAttribute('class') ?? ''} ${firstNamed(pre, 'code')?.getAttribute('class') ?? ''} ${around}`;
  const language = /(?:language|lang|highlight|highlight-source)-([\w+#-]+)/.exec(classes)?.[1] ?? '';
  return language === 'default' || language === 'text' ? '' : language;
}
