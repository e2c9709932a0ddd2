import { encoded, type Font, fontNames, plainly, widthOf } from './pdf-fonts.ts';

/** Points: A4 with its margins. */
const page = { width: 595, height: 842, side: 72, top: 72, bottom: 72 };

/** Under the text, in the middle of the page. */
const foot = { size: 9, y: 40 } as const;

/** A stretch of text of one look on a line; a link leads to an address, or to a place of the document. */
export interface Span {
  readonly text: string;
  readonly font: Font;
  readonly size: number;
  /** Points above the line. */
  readonly rise?: number;
  readonly link?: { readonly uri: string } | { readonly place: string };
}

export interface Style {
  readonly indent: number;
  readonly before: number;
  /** Of a line, as a multiple of its size. */
  readonly leading: number;
}

interface Word extends Span {
  readonly width: number;
}

/** Pages that fill from the top. */
export class Pages {
  readonly #pages: { text: string[]; links: { box: readonly number[]; to: NonNullable<Span['link']> }[] }[] = [];
  readonly #places = new Map<string, { page: number; y: number }>();
  #marked: string | null = null;
  #y = 0;

  /** Remembers a place, for links to lead to: where the next paragraph begins. */
  mark(place: string): void {
    this.#marked = place;
  }

  /** Sets spans as lines that are no longer than the page is wide. */
  paragraph(spans: readonly Span[], { indent, before, leading }: Style): void {
    this.#y -= before;
    const room = page.width - 2 * page.side - indent;
    for (const line of linesOf(spans, room)) {
      const size = Math.max(...line.map((word) => word.size), 1);
      this.#need(size * leading);
      this.#y -= size * leading;
      this.#draw(line, page.side + indent);
    }
  }

  #need(height: number): void {
    if (this.#pages.length > 0 && this.#y - height >= page.bottom) return;
    this.#pages.push({ text: [], links: [] });
    this.#y = page.height - page.top;
  }

  #draw(line: readonly Word[], left: number): void {
    const sheet = this.#pages.at(-1);
    if (this.#marked !== null) this.#places.set(this.#marked, { page: this.#pages.length - 1, y: this.#y + 10 });
    this.#marked = null;
    let x = left;
    for (const { text, font, size, rise = 0, link, width } of line) {
      const y = this.#y + rise;
      sheet?.text.push(shown(text, { font, size, x, y }));
      if (link !== undefined && text.trim() !== '')
        sheet?.links.push({ box: [x, y - 2, x + width, y + size], to: link });
      x += width;
    }
  }

  /** The whole as a PDF 1.4 (ISO 32000-1), its pages numbered. @param title of the document */
  write(title: string): Buffer {
    const file = new PdfFile();
    const fonts = Object.entries(fontNames).map(([name, base]) => {
      const id = file.add(`<< /Type /Font /Subtype /Type1 /BaseFont /${base} /Encoding /WinAnsiEncoding >>`);
      return `/${name} ${id} 0 R`;
    });
    const tree = file.reserve();
    const sheets = this.#pages.map(() => file.reserve());
    for (const [index, { text, links }] of this.#pages.entries()) {
      const content = [...text, numberOf(index + 1, sheets.length)].join('\n');
      const stream = file.add(`<< /Length ${Buffer.byteLength(content)} >>\nstream\n${content}\nendstream`);
      const notes = links.map(({ box, to }) => file.add(this.#annotation(box, to, sheets)));
      const list = notes.map((id) => `${id} 0 R`).join(' ');
      const size = `/MediaBox [0 0 ${page.width} ${page.height}] /Resources << /Font << ${fonts.join(' ')} >> >>`;
      file.set(
        sheets[index] ?? 0,
        `<< /Type /Page /Parent ${tree} 0 R ${size} /Contents ${stream} 0 R /Annots [${list}] >>`,
      );
    }
    file.set(tree, `<< /Type /Pages /Count ${sheets.length} /Kids [${sheets.map((id) => `${id} 0 R`).join(' ')}] >>`);
    const catalog = file.add(`<< /Type /Catalog /Pages ${tree} 0 R >>`);
    return file.close(catalog, file.add(`<< /Title ${utf16(title)} /Producer (Argosy) >>`));
  }

  #annotation(box: readonly number[], to: NonNullable<Span['link']>, sheets: readonly number[]): string {
    const rect = `/Rect [${box.map((n) => n.toFixed(2)).join(' ')}] /Border [0 0 0]`;
    if ('uri' in to) return `<< /Type /Annot /Subtype /Link ${rect} /A << /S /URI /URI ${ascii(to.uri)} >> >>`;
    const { page: at = 0, y = 0 } = this.#places.get(to.place) ?? {};
    return `<< /Type /Annot /Subtype /Link ${rect} /Dest [${sheets[at]} 0 R /XYZ 0 ${(y + 4).toFixed(2)} 0] >>`;
  }
}

/** Operators that show a text where its base line begins (9.4). */
function shown(text: string, { font, size, x, y }: { font: Font; size: number; x: number; y: number }): string {
  return `BT /${font} ${size} Tf 1 0 0 1 ${x.toFixed(2)} ${y.toFixed(2)} Tm <${encoded(text).toString('hex')}> Tj ET`;
}

function numberOf(number: number, count: number): string {
  const text = `${number} / ${count}`;
  const x = (page.width - widthOf(text, 'roman', foot.size)) / 2;
  return shown(text, { font: 'roman', ...foot, x });
}

/** Breaks at spaces, and inside a word only where it is longer than a line. */
function linesOf(spans: readonly Span[], room: number): Word[][] {
  const lines: Word[][] = [[]];
  let x = 0;
  for (const word of spans.flatMap((span) => wordsOf(span, room))) {
    if (word.text === '\n' || (x + word.width > room && x > 0)) {
      lines.push([]);
      x = 0;
      if (/^\s+$/.test(word.text)) continue;
    }
    lines.at(-1)?.push(word);
    x += word.width;
  }
  return lines;
}

function wordsOf(span: Span, room: number): Word[] {
  const words = plainly(span.text).match(/\n|[^\S\n]+|[^\s]+/g) ?? [];
  return words.flatMap((text) => partsOf(text, span, room));
}

/** A word in one part, or where it is wider than a line in parts that each fit one. */
function partsOf(text: string, span: Span, room: number): Word[] {
  const width = text === '\n' ? 0 : widthOf(text, span.font, span.size);
  if (width <= room) return [{ ...span, text, width }];
  const parts: { text: string; width: number }[] = [];
  for (const character of text) {
    const more = widthOf(character, span.font, span.size);
    const last = parts.at(-1);
    if (last === undefined || last.width + more > room) parts.push({ text: character, width: more });
    else parts[parts.length - 1] = { text: last.text + character, width: last.width + more };
  }
  return parts.map((part) => ({ ...span, ...part }));
}

/** Numbered objects with their table (7.5). */
class PdfFile {
  readonly #objects: string[] = [];

  add(body: string): number {
    return this.#objects.push(body);
  }

  reserve(): number {
    return this.#objects.push('');
  }

  set(id: number, body: string): void {
    this.#objects[id - 1] = body;
  }

  close(catalog: number, info: number): Buffer {
    let text = '%PDF-1.4\n';
    const table = this.#objects.map((body, index) => {
      const entry = `${String(text.length).padStart(10, '0')} 00000 n \n`;
      text += `${index + 1} 0 obj\n${body}\nendobj\n`;
      return entry;
    });
    const size = this.#objects.length + 1;
    const end = `xref\n0 ${size}\n0000000000 65535 f \n${table.join('')}trailer\n<< /Size ${size} /Root ${catalog} 0 R /Info ${info} 0 R >>`;
    return Buffer.from(`${text}${end}\nstartxref\n${text.length}\n%%EOF\n`, 'latin1');
  }
}

function utf16(text: string): string {
  return `<feff${Buffer.from(text, 'utf16le').swap16().toString('hex')}>`;
}

/** Addresses are ASCII once what is not is percent-encoded. */
function ascii(uri: string): string {
  const plain = URL.parse(uri)?.href ?? '';
  return `(${plain.replace(/[\\()]/g, (sign) => `\\${sign}`).replace(/[^\x20-\x7e]/g, '')})`;
}
