import type { Report } from '#domain';
import { type Block, blocksOf, type Footnote, type Piece } from './blocks.ts';
import { writeZip } from './zip.ts';

const main = 'http://schemas.openxmlformats.org/wordprocessingml/2006/main';
const relations = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
const packaged = 'http://schemas.openxmlformats.org/package/2006';
const parts = 'application/vnd.openxmlformats-officedocument.wordprocessingml';
const head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';

/**
 * A report as a Word document (ECMA-376): each mark of a claim is a footnote with its quotations and its source, and
 * addresses are links. It names no font, so that whoever opens it has one for every script that they can read.
 */
export function renderDocx(report: Report): Buffer {
  const links = new Links();
  const notes: Footnote[] = [];
  const body = [
    paragraph('Title', [run(report.question)]),
    ...standing(report).map((text) => paragraph('Notice', [run(text)])),
    ...blocksOf(report).map((block) => blockXml(block, { links, notes })),
    ...sourcesXml(report, links),
    paragraph('Notice', [run(closing(report))]),
  ];
  const noteLinks = new Links();
  const files = new Map([
    ['[Content_Types].xml', contentTypes],
    ['_rels/.rels', relationships([`Id="rId1" Type="${relations}/officeDocument" Target="word/document.xml"`])],
    [
      'word/document.xml',
      `${head}<w:document xmlns:w="${main}" xmlns:r="${relations}"><w:body>${body.join('')}</w:body></w:document>`,
    ],
    ['word/styles.xml', styles],
    ['word/footnotes.xml', footnotesXml(notes, noteLinks)],
    [
      'word/_rels/document.xml.rels',
      relationships([
        `Id="styles" Type="${relations}/styles" Target="styles.xml"`,
        `Id="notes" Type="${relations}/footnotes" Target="footnotes.xml"`,
        ...links.list(),
      ]),
    ],
    ['word/_rels/footnotes.xml.rels', relationships(noteLinks.list())],
  ]);
  return writeZip(files);
}

/** Addresses that a part links to: each stands once among its relationships. */
class Links {
  readonly #ids = new Map<string, string>();

  /** The id of an address. */
  of(href: string): string {
    const id = this.#ids.get(href) ?? `link${this.#ids.size + 1}`;
    this.#ids.set(href, id);
    return id;
  }

  list(): string[] {
    return [...this.#ids].map(
      ([href, id]) => `Id="${id}" Type="${relations}/hyperlink" Target="${escaped(href)}" TargetMode="External"`,
    );
  }
}

interface Hangs {
  readonly links: Links;
  readonly notes: Footnote[];
}

/** What a reader must know first. */
function standing({ incomplete_details: details, status }: Report): string[] {
  return details === null ? [] : [`${status}: ${details.message}`];
}

function closing({ run_id, model, degraded }: Report): string {
  const author = model === null ? 'no language model took part' : `written by ${model}`;
  return `Run ${run_id}: ${author}${degraded.length > 0 ? `; degraded: ${degraded.join(', ')}` : ''}.`;
}

const styleOf: Readonly<Record<Block['kind'], string>> = {
  heading: 'Heading',
  paragraph: 'Normal',
  item: 'Item',
  quotation: 'Quotation',
  code: 'Code',
};

function blockXml({ kind, level, mark, pieces }: Block, hangs: Hangs): string {
  const style = kind === 'heading' ? `Heading${Math.min(level, 3)}` : styleOf[kind];
  const bullet = kind === 'item' ? [run(`${mark}\t`)] : [];
  return paragraph(style, [...bullet, ...pieces.map((piece) => pieceXml(piece, hangs))]);
}

function pieceXml({ text, look, href, note }: Piece, { links, notes }: Hangs): string {
  if (note?.source === null) return run(' [no proof]', '<w:b/>');
  // 0 and 1 are those of the separators.
  if (note !== undefined)
    return `<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:footnoteReference w:id="${notes.push(note) + 1}"/></w:r>`;
  const format = { plain: '', strong: '<w:b/>', stressed: '<w:i/>', code: '<w:rStyle w:val="CodeText"/>' }[look];
  return href === undefined ? run(text, format) : link(href, text, links);
}

function sourcesXml({ sources }: Report, links: Links): string[] {
  if (sources.length === 0) return [];
  const lines = sources.map(({ id, title, uri, sha256, fetched_at }) =>
    paragraph('Item', [
      run(`${id.slice(1)}.\t${title}. `),
      isWeb(uri) ? link(uri, uri, links) : run(uri),
      run(`, read ${fetched_at.slice(0, 10)}, sha256 ${sha256.slice(0, 12)}`),
    ]),
  );
  return [paragraph('Heading1', [run('Sources')]), ...lines];
}

function footnotesXml(notes: readonly Footnote[], links: Links): string {
  const separators = ['separator', 'continuationSeparator'].map(
    (kind, id) => `<w:footnote w:type="${kind}" w:id="${id}"><w:p><w:r><w:${kind}/></w:r></w:p></w:footnote>`,
  );
  const written = notes.map(({ quotes, source }, index) => {
    const { title, uri } = source ?? { title: '', uri: '' };
    const place = isWeb(uri) ? link(uri, uri, links) : run(uri);
    const mark = '<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:footnoteRef/></w:r>';
    const said = quotes.map((quote) => `“${quote.replace(/\s+/g, ' ').trim()}”`).join(' ');
    return `<w:footnote w:id="${index + 2}">${paragraph('FootnoteText', [mark, run(` ${said} ${title}. `), place])}</w:footnote>`;
  });
  return `${head}<w:footnotes xmlns:w="${main}" xmlns:r="${relations}">${[...separators, ...written].join('')}</w:footnotes>`;
}

const isWeb = (uri: string): boolean => /^https?:\/\//.test(uri);

function paragraph(style: string, runs: readonly string[]): string {
  return `<w:p><w:pPr><w:pStyle w:val="${style}"/></w:pPr>${runs.join('')}</w:p>`;
}

/** Line breaks and tabs are elements of their own. */
function run(text: string, format = ''): string {
  const inside = text.split(/(\n|\t)/).map((part) => {
    if (part === '\n') return '<w:br/>';
    return part === '\t' ? '<w:tab/>' : `<w:t xml:space="preserve">${escaped(part)}</w:t>`;
  });
  return `<w:r>${format === '' ? '' : `<w:rPr>${format}</w:rPr>`}${inside.join('')}</w:r>`;
}

function link(href: string, text: string, links: Links): string {
  return `<w:hyperlink r:id="${links.of(href)}">${run(text, '<w:rStyle w:val="Hyperlink"/>')}</w:hyperlink>`;
}

/** Characters that XML 1.0 has no place for are left out; the rest of them are no text either. */
function escaped(text: string): string {
  const kept = text.replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '');
  return kept.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

function relationships(list: readonly string[]): string {
  const items = list.map((one) => `<Relationship ${one}/>`).join('');
  return `${head}<Relationships xmlns="${packaged}/relationships">${items}</Relationships>`;
}

const contentTypes = `${head}<Types xmlns="${packaged}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>${[
  ['document', 'document.main'],
  ['styles', 'styles'],
  ['footnotes', 'footnotes'],
]
  .map(([name, type]) => `<Override PartName="/word/${name}.xml" ContentType="${parts}.${type}+xml"/>`)
  .join('')}</Types>`;

interface Style {
  readonly id: string;
  /** Properties of its paragraphs and of its text. */
  readonly p?: string;
  readonly r?: string;
  readonly kind?: 'paragraph' | 'character';
}

const size = (halfPoints: number): string => `<w:sz w:val="${halfPoints}"/>`;
const space = (before: number, after: number): string => `<w:spacing w:before="${before}" w:after="${after}"/>`;

const styleList: readonly Style[] = [
  { id: 'Normal', p: space(0, 160), r: size(22) },
  { id: 'Title', p: space(0, 240), r: size(40) },
  { id: 'Heading1', p: `<w:keepNext/>${space(320, 120)}<w:outlineLvl w:val="0"/>`, r: `<w:b/>${size(28)}` },
  { id: 'Heading2', p: `<w:keepNext/>${space(280, 100)}<w:outlineLvl w:val="1"/>`, r: `<w:b/>${size(25)}` },
  { id: 'Heading3', p: `<w:keepNext/>${space(240, 80)}<w:outlineLvl w:val="2"/>`, r: `<w:b/>${size(22)}` },
  {
    id: 'Item',
    p: `<w:tabs><w:tab w:val="left" w:pos="400"/></w:tabs>${space(0, 80)}<w:ind w:left="400" w:hanging="400"/>`,
    r: size(22),
  },
  { id: 'Quotation', p: `${space(0, 120)}<w:ind w:left="500"/>`, r: size(22) },
  {
    id: 'Code',
    p: `${space(0, 160)}<w:ind w:left="300"/>`,
    r: `<w:rFonts w:ascii="Courier New" w:hAnsi="Courier New"/>${size(19)}`,
  },
  { id: 'Notice', p: space(120, 160), r: `<w:i/>${size(20)}` },
  { id: 'FootnoteText', p: space(0, 40), r: size(18) },
  { id: 'CodeText', r: '<w:rFonts w:ascii="Courier New" w:hAnsi="Courier New"/>', kind: 'character' },
  { id: 'Hyperlink', r: '<w:color w:val="0C6170"/><w:u w:val="single"/>', kind: 'character' },
];

const styles = `${head}<w:styles xmlns:w="${main}">${styleList
  .map(({ id, p = '', r = '', kind = 'paragraph' }) => {
    const usual = id === 'Normal' ? ' w:default="1"' : '';
    const paragraphs = p === '' ? '' : `<w:pPr>${p}</w:pPr>`;
    return `<w:style w:type="${kind}"${usual} w:styleId="${id}"><w:name w:val="${id}"/>${paragraphs}<w:rPr>${r}</w:rPr></w:style>`;
  })
  .join('')}</w:styles>`;
