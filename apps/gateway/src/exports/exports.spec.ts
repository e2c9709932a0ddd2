import { inflateRawSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { JSDOM } from 'jsdom';
import { extractText, getDocumentProxy } from 'unpdf';
import type { Report } from '#domain';
import { blocksOf } from './blocks.ts';
import { renderDocx } from './docx.ts';
import { renderPdf } from './pdf.ts';

const source = (id: string, uri: string, title: string) => ({
  ...{ id, uri, title, sha256: id.repeat(32), fetched_at: '2026-01-31T12:00:00.000Z', bytes: 9 },
});

function reportOf(changes: Partial<Report> = {}): Report {
  return {
    ...{ schema_version: 1, run_id: 'run_1', question: 'How often — and where — does the ferry leave?', mode: 'react' },
    ...{ status: 'completed', model: 'writer', profile: 'tongyi-v1', degraded: [], incomplete_details: null },
    answer: [
      '## On time',
      'It leaves **every** ninety minutes. [1][2] It flies. [unsupported]',
      '- first <item> & co.\n- second, [a link](https://example.org/a)',
      '> quoted\n> text',
      '```\nlet x = 1;\n```',
    ].join('\n\n'),
    claims: [
      {
        text: 'It leaves **every** ninety minutes.',
        verdict: 'supported',
        citations: [
          { source: 's1', start: 0, end: 3, quote: 'every ninety\nminutes' },
          { source: 's2', start: 0, end: 3, quote: 'each hour and a half' },
        ],
      },
      { text: 'It flies.', verdict: 'unsupported', citations: [] },
    ],
    sources: [source('s1', 'https://example.org/times?a=(1)', 'Timetable'), source('s2', 'corpus:a.md', 'Notes')],
    ...{ removed_claims: 0, output: null, output_citations: [], output_faults: [], attributions: [] },
    usage: {
      ...{ steps: 1, model_calls: 1, tool_calls: 1, prompt_tokens: 1, cached_tokens: 0, completion_tokens: 1 },
      ...{ usd: 0, seconds: 1 },
    },
    ...changes,
  };
}

/** Files of an archive by the headers before each, checked against nothing but themselves. */
function unzip(archive: Buffer): Map<string, string> {
  const files = new Map<string, string>();
  for (let at = 0; archive.readUInt32LE(at) === 0x04034b50; ) {
    const [packed, name] = [archive.readUInt32LE(at + 18), archive.readUInt16LE(at + 26)];
    const begin = at + 30 + name;
    const bytes = inflateRawSync(archive.subarray(begin, begin + packed));
    files.set(archive.toString('utf8', at + 30, begin), bytes.toString());
    at = begin + packed;
  }
  return files;
}

function xmlOf(report: Report): Map<string, Document> {
  const { window } = new JSDOM('');
  const parser = new window.DOMParser();
  const parsed = [...unzip(renderDocx(report))].map(
    ([name, text]) => [name, parser.parseFromString(text, 'text/xml')] as const,
  );
  for (const [name, document] of parsed)
    expect([name, document.querySelector('parsererror')?.textContent]).toEqual([name, undefined]);
  return new Map(parsed);
}

const textOf = (document: Document | undefined): string => document?.documentElement.textContent ?? '';

describe('the blocks of a report', () => {
  it('are headings, paragraphs, items, quotations and code, with footnotes where claims have their marks', () => {
    const blocks = blocksOf(reportOf());
    expect(blocks.map(({ kind }) => kind)).toEqual(['heading', 'paragraph', 'item', 'item', 'quotation', 'code']);
    const notes = blocks.flatMap(({ pieces }) => pieces.flatMap(({ note }) => note ?? []));
    expect(notes.map(({ quotes, source: from }) => [quotes, from?.title])).toEqual([
      [['every ninety\nminutes'], 'Timetable'],
      [['each hour and a half'], 'Notes'],
      [[], undefined],
    ]);
    expect(blocks[1]?.pieces.map(({ text, look }) => [text, look])).toContainEqual(['every', 'strong']);
  });

  it('number the items that are numbered, and give each row of a table a line', () => {
    const answer = '3. third\n4) fourth\n- next\n\n| port | price |\n| :-- | --: |\n| Ystad | 5 € |\nBehind it.';
    const blocks = blocksOf({ ...reportOf(), answer, claims: [] });
    expect(blocks.map(({ kind, mark, pieces }) => [kind, mark, pieces.map(({ text }) => text).join('')])).toEqual([
      ['item', '3.', 'third'],
      ['item', '4)', 'fourth'],
      ['item', '•', 'next'],
      ['paragraph', '', '| port | price |'],
      ['paragraph', '', '| Ystad | 5 € |'],
      ['paragraph', '', 'Behind it.'],
    ]);
  });
});

describe('report.docx', () => {
  it('is a package of well-formed parts, its citations footnotes and its addresses links', () => {
    const parts = xmlOf(reportOf());
    const document = parts.get('word/document.xml');
    expect(textOf(document)).toContain('first <item> & co.');
    expect(textOf(document)).toContain('[no proof]');
    const references = [...(document?.getElementsByTagName('w:footnoteReference') ?? [])].map((one) =>
      one.getAttribute('w:id'),
    );
    const notes = parts.get('word/footnotes.xml');
    const written = [...(notes?.getElementsByTagName('w:footnote') ?? [])].map((one) => one.getAttribute('w:id'));
    expect(references).toEqual(['2', '3']);
    expect(written).toEqual(['0', '1', ...references]);
    expect(textOf(notes)).toContain('“every ninety minutes” Timetable. https://example.org/times?a=(1)');
    const targets = [...(parts.get('word/_rels/document.xml.rels')?.getElementsByTagName('Relationship') ?? [])];
    expect(targets.map((one) => one.getAttribute('Target'))).toContain('https://example.org/a');
  });

  it('holds every script, and nothing that XML has no place for', () => {
    const parts = xmlOf(reportOf({ answer: '你好 Привет مرحبا 🚢\u0000\u0008', claims: [] }));
    expect(textOf(parts.get('word/document.xml'))).toContain('你好 Привет مرحبا 🚢');
  });

  it('is the same bytes at every call', () => {
    expect(renderDocx(reportOf()).equals(renderDocx(reportOf()))).toBe(true);
  });
});

describe('report.pdf', () => {
  it('reads as the report, page after page', async () => {
    const answer = `${reportOf().answer}\n\n${'A paragraph that fills pages, naïve café “quoted” – 5 €. '.repeat(200)}`;
    const document = await getDocumentProxy(new Uint8Array(renderPdf(reportOf({ answer }))));
    const { totalPages, text } = await extractText(document, { mergePages: true });
    expect(totalPages).toBeGreaterThan(2);
    const flat = text.replace(/\s+/g, ' ');
    for (const said of [
      'How often — and where — does the ferry leave?',
      'naïve café “quoted” – 5 €.',
      'first <item> & co.',
    ]) {
      expect(flat).toContain(said);
    }
    expect(flat).toMatch(/Quotations 1 “every ninety minutes” Timetable\. https:\/\/example\.org\/times/);
    expect(flat).toContain('[no proof]');
  });

  it('links its marks to their quotations, and addresses to the web', async () => {
    const document = await getDocumentProxy(new Uint8Array(renderPdf(reportOf())));
    const page = await document.getPage(1);
    const links = (await page.getAnnotations()) as { url?: string; dest?: unknown[] }[];
    expect(links.filter(({ dest }) => dest !== null && dest !== undefined)).toHaveLength(2);
    const urls = links.flatMap(({ url }) => url ?? []);
    expect(urls).toEqual(expect.arrayContaining(['https://example.org/a', 'https://example.org/times?a=(1)']));
  });

  it.each(['你好', 'Привет', 'Ωμέγα', '🚢'])(
    'is refused rather than wrong where its fonts lack what is said: %s',
    (word) => {
      expect(() => renderPdf(reportOf({ answer: `It says ${word}.`, claims: [] }))).toThrow(
        /fonts of a PDF have not .*report\.docx/,
      );
    },
  );
});
