import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { DocumentType } from './document.ts';
import { splitPassages } from './passages.ts';

const TYPES: DocumentType[] = ['markdown', 'rst', 'plain', 'code', 'html', 'pdf'];

/** Lines of the kinds that the readers treat specially, and arbitrary ones, long ones and endless words among them. */
const line = fc.oneof(
  fc.constantFrom(
    '',
    '',
    '# One',
    '## Two',
    '### `three()`',
    '```ts',
    '```',
    '---',
    '===',
    '- item',
    '| a | b |',
    '\f',
  ),
  fc.constantFrom(
    '/**',
    ' * doc',
    ' */',
    'export class Queue {',
    '  add(): void;',
    '}',
    '// note',
    'def run(x):',
    '/* open',
  ),
  fc.string({ unit: 'grapheme', maxLength: 120 }),
  fc.lorem({ maxCount: 6, mode: 'sentences' }),
  fc.integer({ min: 1_000, max: 3_000 }).map((n) => 'x'.repeat(n)),
  fc.integer({ min: 400, max: 900 }).map((n) => '😀'.repeat(n)),
  fc.integer({ min: 400, max: 900 }).map((n) => '研究。'.repeat(n)),
);
const text = fc.array(line, { maxLength: 60 }).map((lines) => lines.join('\n'));

describe('splitPassages', () => {
  it('covers all text but space, in order, without overlap and within the size limit, for every type', () => {
    fc.assert(
      fc.property(text, fc.constantFrom(...TYPES), (snapshot, type) => {
        let end = 0;
        for (const span of splitPassages(snapshot, type)) {
          expect(span.start).toBeGreaterThanOrEqual(end);
          expect(snapshot.slice(end, span.start).trim()).toBe('');
          expect(span.end).toBeGreaterThan(span.start);
          expect(span.end - span.start).toBeLessThanOrEqual(1_200);
          expect(snapshot.slice(span.start, span.end)).toBe(snapshot.slice(span.start, span.end).trim());
          expect(snapshot.slice(span.start, span.end).isWellFormed()).toBe(true);
          end = span.end;
        }
        expect(snapshot.slice(end).trim()).toBe('');
      }),
      { numRuns: 150 },
    );
  });

  const cut = (snapshot: string, type: DocumentType) =>
    splitPassages(snapshot, type).map((s) => ({ text: snapshot.slice(s.start, s.end), headings: s.headings }));

  it('parts Markdown at headings and gives each passage the path of headings above it', () => {
    const body = 'Words about it that go on for a while, so that the section stands on its own feet. '.repeat(3);
    const found = cut(
      `# Guide\n\n${body}\n\n## Install\n\n${body}\n\n### Linux\n\n${body}\n\n## Use\n\n${body}`,
      'markdown',
    );
    expect(found.map((p) => p.headings)).toEqual([
      ['Guide'],
      ['Guide', 'Install'],
      ['Guide', 'Install', 'Linux'],
      ['Guide', 'Use'],
    ]);
    expect(found[1]?.text.startsWith('## Install')).toBe(true);
  });

  it('takes a hash inside fenced code for code and keeps the block whole', () => {
    const found = cut(`Run:\n\n\`\`\`sh\n# not a heading\n\nnpm start\n\`\`\`\n`, 'markdown');
    expect(found).toHaveLength(1);
    expect(found[0]?.headings).toEqual([]);
  });

  it('keeps a doc comment with its declaration and names the declarations around it', () => {
    const member = (name: string) => `  /**\n   * ${`What ${name} is for. `.repeat(18)}\n   */\n  ${name}?: number;\n`;
    const names = ['attempts', 'backoff', 'delay'];
    const found = cut(
      `/** Options of a job. */\nexport interface JobOptions {\n${names.map(member).join('')}}\n`,
      'code',
    );
    for (const name of names) {
      const holder = found.find((p) => p.text.includes(`${name}?: number`));
      expect(holder?.text).toContain(`What ${name} is for.`);
      expect(holder?.headings).toEqual(['interface JobOptions']);
    }
  });

  it('ranks reStructuredText titles by the order in which their underlines appear', () => {
    const body = 'Words about the subject at hand, more than a few of them, so that it counts. '.repeat(2);
    const found = cut(`Top\n~~~\n\n${body}\n\nUnder\n=====\n\n${body}\n\nNext\n~~~~\n\n${body}`, 'rst');
    expect(found.map((p) => p.headings)).toEqual([['Top'], ['Top', 'Under'], ['Next']]);
  });

  it('never joins two pages of a PDF', () => {
    expect(cut('one\ftwo\f\fthree', 'pdf').map((p) => [p.text, p.headings[0]])).toEqual([
      ['one', 'Page 1'],
      ['two', 'Page 2'],
      ['three', 'Page 4'],
    ]);
  });

  it('cuts a long paragraph at the ends of sentences', () => {
    const sentence = 'This is one sentence of a paragraph that never seems to end. ';
    const found = cut(sentence.repeat(60), 'plain');
    expect(found.length).toBeGreaterThan(3);
    for (const passage of found) expect(passage.text.endsWith('end.')).toBe(true);
  });
});
