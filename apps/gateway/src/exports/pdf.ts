import type { Report } from '#domain';
import { InvalidState } from '#errors';
import { type Block, blocksOf, type Footnote, type Piece } from './blocks.ts';
import { type Font, lacking } from './pdf-fonts.ts';
import { Pages, type Span, type Style } from './pdf-pages.ts';

const size = 11;
const body: Style = { indent: 0, before: 8, leading: 1.4 };
const styles: Readonly<Record<Block['kind'], Style>> = {
  heading: { ...body, before: 16 },
  paragraph: body,
  item: { ...body, indent: 16, before: 4 },
  quotation: { ...body, indent: 24 },
  code: { ...body, indent: 12 },
};

/**
 * A report as a PDF: each mark of a claim is a number that leads to its quotations at the end, addresses are links. It
 * brings no fonts along and uses those that every reader has.
 * @throws InvalidState where the report holds characters that these lack; nothing is left out or put in another's place
 */
export function renderPdf(report: Report): Buffer {
  const blocks = blocksOf(report);
  refuseStrangeScripts(report, blocks);
  const pages = new Pages();
  const notes: Footnote[] = [];
  pages.paragraph([{ text: report.question, font: 'bold', size: 18 }], { ...body, leading: 1.25 });
  const { incomplete_details: details } = report;
  if (details !== null) pages.paragraph([text(`${report.status}: ${details.message}`, 'italic')], body);
  for (const block of blocks) pages.paragraph(spansOf(block, notes), styles[block.kind]);
  setNotes(pages, notes);
  setSources(pages, report);
  const author = report.model === null ? 'no language model took part' : `written by ${report.model}`;
  const missing = report.degraded.length > 0 ? `; degraded: ${report.degraded.join(', ')}` : '';
  pages.paragraph([text(`Run ${report.run_id}: ${author}${missing}.`, 'italic', 9)], { ...body, before: 20 });
  return pages.write(report.question);
}

function refuseStrangeScripts(
  { question, model, sources, incomplete_details: details }: Report,
  blocks: readonly Block[],
): void {
  const pieces = blocks.flatMap((block) => block.pieces);
  const quoted = pieces.flatMap(({ note }) => note?.quotes ?? []);
  const said = [question, model ?? '', details?.message ?? '', ...pieces.map((piece) => piece.text), ...quoted];
  const named = sources.flatMap(({ title, uri }) => [title, uri]);
  const missing = lacking([...said, ...named].join(' '));
  if (missing.length === 0) return;
  const shown = missing.map((character) => JSON.stringify(character)).join(', ');
  throw new InvalidState(
    `This report holds characters that the fonts of a PDF have not (${shown}): take report.docx or report.md, which have all scripts.`,
  );
}

function text(words: string, font: Font = 'roman', points = size): Span {
  return { text: words, font, size: points };
}

function spansOf({ kind, level, mark, pieces }: Block, notes: Footnote[]): Span[] {
  if (kind === 'heading')
    return pieces.map((piece) => spanOf(piece, notes, { font: 'bold', points: level === 1 ? 15 : 13 }));
  const spans = pieces.map((piece) => spanOf(piece, notes, { font: 'roman', points: size }));
  return kind === 'item' ? [text(`${mark}  `), ...spans] : spans;
}

const fonts: Readonly<Record<Piece['look'], Font | null>> = {
  plain: null,
  strong: 'bold',
  stressed: 'italic',
  code: 'fixed',
};

function spanOf(
  { text: words, look, href, note }: Piece,
  notes: Footnote[],
  usual: { font: Font; points: number },
): Span {
  if (note?.source === null) return text(' [no proof]', 'bold');
  if (note !== undefined) {
    const number = notes.push(note);
    return { ...text(` ${number}`, 'roman', 8), rise: 4, link: { place: `note ${number}` } };
  }
  const span = text(words, fonts[look] ?? usual.font, look === 'code' ? usual.points - 1 : usual.points);
  return href === undefined ? span : { ...span, link: { uri: href } };
}

function setNotes(pages: Pages, notes: readonly Footnote[]): void {
  if (notes.length === 0) return;
  pages.paragraph([text('Quotations', 'bold', 13)], styles.heading);
  for (const [index, { quotes, source }] of notes.entries()) {
    pages.mark(`note ${index + 1}`);
    const said = quotes.map((quote) => `“${quote.replace(/\s+/g, ' ').trim()}”`).join(' ');
    const from = [text(` ${source?.title ?? ''}. `, 'italic', 10), address(source?.uri ?? '', 10)];
    pages.paragraph([text(`${index + 1}  `, 'bold', 10), text(said, 'roman', 10), ...from], { ...body, before: 6 });
  }
}

function setSources(pages: Pages, { sources }: Report): void {
  if (sources.length === 0) return;
  pages.paragraph([text('Sources', 'bold', 13)], styles.heading);
  for (const { id, title, uri, sha256, fetched_at } of sources) {
    const rest = text(`, read ${fetched_at.slice(0, 10)}, sha256 ${sha256.slice(0, 12)}`, 'roman', 10);
    const line = [text(`${id.slice(1)}  `, 'bold', 10), text(`${title}. `, 'roman', 10), address(uri, 10), rest];
    pages.paragraph(line, { ...body, before: 6 });
  }
}

function address(uri: string, points: number): Span {
  return { ...text(uri, 'roman', points), ...(/^https?:\/\//.test(uri) ? { link: { uri } } : {}) };
}
