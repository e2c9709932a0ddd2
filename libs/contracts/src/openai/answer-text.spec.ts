import { describe, expect, it } from '@jest/globals';
import type { Report } from '#domain';
import { reportOf } from '../../../../test/support/research.ts';
import { answerText } from './answer-text.ts';

const source = (id: string) => {
  return {
    id,
    uri: `https://e.org/${id}`,
    title: id,
    sha256: 'a'.repeat(64),
    fetched_at: '2026-01-31T00:00:00Z',
    bytes: 1,
  };
};
const cite = (...ids: readonly string[]) => ids.map((id) => ({ source: id, start: 0, end: 1, quote: 'q' }));

function reported(changes: Partial<Report>): Report {
  return { ...reportOf('run_1'), sources: [source('s1'), source('s2')], ...changes };
}

/** What is marked, as Python slices. */
function marksOf({ text, annotations }: ReturnType<typeof answerText>): [string, string][] {
  return annotations.map(({ url, start_index, end_index }) => [url, [...text].slice(start_index, end_index).join('')]);
}

describe('the text of a response', () => {
  it('marks each claim once for each source, behind any characters', () => {
    const text = answerText(
      reported({
        answer: '𝔸 🚢 frame.\n\nOne 🚢. [1][2] Two. [unsupported] Three. [2]',
        claims: [
          { text: 'One 🚢.', verdict: 'supported', citations: cite('s1', 's1', 's2') },
          { text: 'Two.', verdict: 'unsupported', citations: [] },
          { text: 'Three.', verdict: 'supported', citations: cite('s2') },
        ],
      }),
    );
    expect(marksOf(text)).toEqual([
      ['https://e.org/s1', 'One 🚢.'],
      ['https://e.org/s2', 'One 🚢.'],
      ['https://e.org/s2', 'Three.'],
    ]);
  });

  it('is the JSON of the object where one was asked for, with its proven fields marked, in whatever order', () => {
    const proof = (path: string, ...ids: readonly string[]) => {
      return { path, verdict: 'supported' as const, citations: cite(...ids) };
    };
    const text = answerText(
      reported({
        output: { 'a/b': ['x', '🚢'], c: 1 },
        output_citations: [proof('/c', 's2'), proof('/a~1b/1', 's1'), proof('/gone', 's1')],
      }),
    );
    expect(text.text).toBe('{"a/b":["x","🚢"],"c":1}');
    expect(marksOf(text)).toEqual([
      ['https://e.org/s2', '1'],
      ['https://e.org/s1', '"🚢"'],
    ]);
  });
});
