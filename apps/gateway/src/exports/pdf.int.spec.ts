/** The PDF of a report in the hands of a reader that is not ours: its text read, its links followed, its pages drawn. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Report } from '#domain';
import { hasPoppler } from '../../../../scripts/servers/poppler.mjs';
import { renderPdf } from './pdf.ts';

/** Points of A4, and the margins that text keeps to. */
const page = { width: 595, height: 842, margin: 72 };
const pixelsPerInch = 40;
const pixels = (points: number): number => Math.ceil((points * pixelsPerInch) / 72);

const question = 'Où la Fähre ÅS–Ærø hält (“Straße”), und für wie viel €?';
const count = 40;
const told = (n: number): string =>
  `Fact ${n} of the señor’s naïve façade: the ferry over the Øresund leaves Malmö at ${n} o’clock, costs ${n} € and calls at Besançon, Þórshöfn and São Tomé before it comes home.`;
const quoted = (n: number): string => `le ${n}e départ`;

const sources = [
  'https://example.org/horaires?jour=(1)&retour=oui',
  'corpus:notes.md',
  'https://example.org/ports',
].map((uri, index) => ({
  ...{ id: `s${index + 1}`, uri, title: ['Les horaires d’été', 'Çà et là', `${'W'.repeat(70)} Häfen`][index] ?? '' },
  ...{ sha256: 'ab'.repeat(32), fetched_at: '2026-01-31T12:00:00.000Z', bytes: 9 },
}));

const claims = Array.from({ length: count }, (_, index) => ({
  ...{ text: told(index + 1), verdict: 'supported' as const },
  citations: [{ source: `s${(index % 3) + 1}`, start: 0, end: 3, quote: quoted(index + 1) }],
}));

const answer = [
  '# Départs',
  ...claims.map(({ text }, index) => `${text} [${(index % 3) + 1}]`),
  '## Ports',
  '- **Malmö**, by [the port’s page](https://example.org/a)\n- Ærøskøbing',
  '| port | price |\n|---|---|\n| Malmö | 5 € |',
  `https://example.org/${'W'.repeat(90)}`,
  '> Who waits,\n> waits.',
  `\`\`\`\nlet route = "${'x'.repeat(120)}";\n\`\`\``,
].join('\n\n');

const report: Report = {
  ...{ schema_version: 1, run_id: 'run_1', question, mode: 'react', status: 'completed', model: 'writer' },
  ...{ profile: 'tongyi-v1', degraded: [], incomplete_details: null, answer, claims, sources },
  ...{ removed_claims: 0, output: null, output_citations: [], output_faults: [], attributions: [] },
  usage: {
    ...{ steps: 1, model_calls: 1, tool_calls: 1, prompt_tokens: 1, cached_tokens: 0, completion_tokens: 1 },
    ...{ usd: 0, seconds: 1 },
  },
};

/** What one of Poppler's programs says; it complains on stderr of what a lenient reader would pass over. */
function poppler(program: string, args: readonly string[]): string {
  const options = { encoding: 'utf8', timeout: 50_000, maxBuffer: 64 * 2 ** 20 } as const;
  const { status, stdout, stderr, error } = spawnSync(program, args, options);
  expect({ program, status, stderr, error }).toEqual({ program, status: 0, stderr: '', error: undefined });
  return stdout;
}

/** What ends each page: the space around its stroke is too narrow for the reader to count as one. */
const numbered = /\s(\d+)\s?\/\s?(\d+)\s*$/;

const flat = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** Grey values of a binary PGM, row after row. */
function pgm(file: string): { width: number; height: number; grey: Uint8Array } {
  const bytes = readFileSync(file);
  const [head, width, height] = /^P5\s+(\d+)\s+(\d+)\s+255\s/.exec(bytes.toString('latin1', 0, 64)) ?? [''];
  return { width: Number(width), height: Number(height), grey: bytes.subarray(head.length) };
}

/** Dark pixels in the outermost `edge` of an image, and in the rest. */
function inkOf({ width, height, grey }: ReturnType<typeof pgm>, edge: number): { edge: number; inside: number } {
  const ink = { edge: 0, inside: 0 };
  for (const [at, value] of grey.entries()) {
    if (value > 200) continue;
    const [x, y] = [at % width, Math.floor(at / width)];
    const outer = x < edge || y < edge || x >= width - edge || y >= height - edge;
    ink[outer ? 'edge' : 'inside'] += 1;
  }
  return ink;
}

if (!hasPoppler()) {
  describe('report.pdf before a reader', () => {
    it.skip('reads, leads and is drawn as the report [needs poppler-utils 21.11 or later]', () => undefined);
  });
} else {
  describe('report.pdf before a reader', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'argosy-pdf-'));
    const file = path.join(folder, 'report.pdf');
    let pages: string[] = [];
    const bodies = (): string[] => pages.map((text) => text.replace(numbered, ''));

    beforeAll(() => {
      writeFileSync(file, renderPdf(report));
      pages = poppler('pdftotext', ['-enc', 'UTF-8', file, '-']).split('\f').slice(0, -1);
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    it('is a document of several A4 pages that bears the question as its title', () => {
      const info = new Map(
        poppler('pdfinfo', ['-enc', 'UTF-8', file])
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
      );
      expect(info.get('Title')).toBe(question);
      expect(info.get('Page size')).toMatch(/^595 x 842 pts/);
      expect(Number(info.get('Pages'))).toBe(pages.length);
      expect(pages.length).toBeGreaterThan(3);
    });

    it('reads as answer, quotations and sources in their order, a number under each page', () => {
      expect(pages.map((text) => numbered.exec(text)?.slice(1).map(Number))).toEqual(
        pages.map((_, index) => [index + 1, pages.length]),
      );
      const text = flat(bodies().join(' '));
      const expected = [
        ...[question, 'Départs', ...claims.map((claim, index) => `${claim.text} ${index + 1}`)],
        ...[
          'Ports • Malmö, by the port’s page • Ærøskøbing',
          '| port | price | | Malmö | 5 € |',
          'Who waits, waits.',
          'Quotations',
        ],
        ...claims.map((_, index) => `${index + 1} “${quoted(index + 1)}” ${sources[index % 3]?.title.slice(0, 9)}`),
        ...[
          'Sources 1 Les horaires d’été. https://example.org/',
          '2 Çà et là. corpus:notes.md, read 2026-01-31',
          '3 WWW',
        ],
        'Run run_1: written by writer.',
      ];
      let from = 0;
      for (const said of expected) {
        const at = text.indexOf(said, from);
        expect({ said, found: at >= 0 }).toEqual({ said, found: true });
        from = at + said.length;
      }
      // What is broken in several lines is whole.
      for (const long of ['W'.repeat(90), 'x'.repeat(120)]) expect(text.replaceAll(' ', '')).toContain(long);
    });

    it('links addresses to the web', () => {
      const listed = poppler('pdfinfo', ['-url', file]).trim().split('\n').slice(1);
      const urls = listed.map((line) => line.trim().split(/\s+/).at(-1) ?? '');
      const times = (uri: string): number => urls.filter((url) => url === uri).length;
      // The address stands behind each quotation and in the list; a label of three words is three links.
      const cited = (index: number): number => claims.filter((_, claim) => claim % 3 === index).length;
      const { uri: first = '' } = sources[0] ?? {};
      const { uri: third = '' } = sources[2] ?? {};
      expect([times(first), times(third), times('https://example.org/a')]).toEqual([cited(0) + 1, cited(2) + 1, 3]);
      expect(new Set(urls).size).toBe(3);
    });

    it('leads from each mark to the page of its quotation', () => {
      const xml = poppler('pdftohtml', ['-xml', '-i', '-stdout', '-enc', 'UTF-8', file]);
      const jumps = [...xml.matchAll(/<a href="[^"#]*#(\d+)">\s*(\d+)\s*<\/a>/g)].map(([, to, mark]) => ({ to, mark }));
      const quotations = bodies().map(flat);
      const expected = claims.map((_, index) => ({
        to: String(1 + quotations.findIndex((text) => text.includes(`“${quoted(index + 1)}”`))),
        mark: String(index + 1),
      }));
      expect(jumps).toEqual(expected);
    });

    it('keeps every word within the margins, by the measures of the reader', () => {
      const boxes = poppler('pdftotext', ['-bbox', file, '-']).matchAll(
        /<word xMin="([\d.-]+)" yMin="([\d.-]+)" xMax="([\d.-]+)" yMax="([\d.-]+)">(.*)<\/word>/g,
      );
      const words = [...boxes].map(([, left, top, right, bottom, word]) => ({
        ...{ left: Number(left), top: Number(top), right: Number(right), bottom: Number(bottom), word },
      }));
      expect(words.length).toBeGreaterThan(1000);
      const foot = page.height - page.margin;
      const outside = words.filter(
        ({ left, top, right, bottom }) =>
          left < page.margin - 1 ||
          right > page.width - page.margin + 1 ||
          top < page.margin - 1 ||
          bottom > (top > foot ? page.height - page.margin / 3 : foot + 5),
      );
      expect(outside).toEqual([]);
    });

    it('is drawn on every page, and nothing at the edges', () => {
      poppler('pdftoppm', ['-r', String(pixelsPerInch), '-gray', file, path.join(folder, 'page')]);
      const drawn = readdirSync(folder).filter((name) => name.endsWith('.pgm'));
      expect(drawn).toHaveLength(pages.length);
      for (const name of drawn) {
        const image = pgm(path.join(folder, name));
        const { width, height, grey } = image;
        expect([width, height, grey.length]).toEqual([pixels(page.width), pixels(page.height), width * height]);
        const ink = inkOf(image, pixels(page.margin / 3));
        expect(ink.edge).toBe(0);
        expect(ink.inside).toBeGreaterThan(200);
      }
    });
  });
}
