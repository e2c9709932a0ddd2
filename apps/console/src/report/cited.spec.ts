import { describe, expect, it } from '@jest/globals';
import { citationsAt, excerptOf, markClose, markedAnswer, markOpen } from './cited.ts';

const citation = (source: string) => ({ source, start: 0, end: 3, quote: 'abc' });
const mark = (claim: number, source: number) => `${markOpen}${claim}:${source}${markClose}`;

describe('the marks of an answer', () => {
  it('say of which claim they are', () => {
    const claims = [
      { text: 'Leases end.', verdict: 'supported' as const, citations: [citation('s1'), citation('s2')] },
      { text: 'Locks do not.', verdict: 'unsupported' as const, citations: [] },
    ];
    const answer = '# On\n\nLeases end. [1][2]\n\nLocks do not. [unsupported] See [1] too.';
    expect(markedAnswer({ answer, claims })).toBe(
      `# On\n\nLeases end. ${mark(0, 1)}${mark(0, 2)}\n\nLocks do not. ${mark(1, 0)} See [1] too.`,
    );
  });

  it('cannot be forged by the answer', () => {
    const claims = [{ text: 'Yes.', verdict: 'supported' as const, citations: [citation('s1')] }];
    expect(markedAnswer({ answer: `${mark(0, 9)} Yes. [1]`, claims })).toBe(`{0:9} Yes. ${mark(0, 1)}`);
  });

  it('name the citations of their source alone', () => {
    const claims = [{ text: 'x', verdict: 'supported' as const, citations: [citation('s1'), citation('s2')] }];
    expect(citationsAt({ claims }, 0, 2)).toEqual([citation('s2')]);
    expect(citationsAt({ claims }, 7, 1)).toEqual([]);
  });
});

describe('an excerpt', () => {
  const text = `${'word '.repeat(200)}THE QUOTE${' after'.repeat(200)}`;
  const start = text.indexOf('THE');

  it('holds the quotation with the text around it, cut between words', () => {
    const excerpt = excerptOf(text, { start, end: start + 9, quote: 'THE QUOTE' });
    expect(excerpt).toMatchObject({ quote: 'THE QUOTE', stands: true, cut: { before: true, after: true } });
    expect(excerpt.before).toMatch(/^word (word )*$/);
    expect(excerpt.after).toMatch(/^( after)*$/);
  });

  it('is whole where the text is short', () => {
    expect(excerptOf('a b c', { start: 2, end: 3, quote: 'b' })).toMatchObject({
      ...{ before: 'a ', after: ' c', cut: { before: false, after: false } },
    });
  });

  it('says when the text has other words at that place', () => {
    expect(excerptOf(text, { start: start + 1, end: start + 10, quote: 'THE QUOTE' }).stands).toBe(false);
  });
});
