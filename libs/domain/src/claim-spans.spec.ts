import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { claimSpans } from './claim-spans.ts';
import { verifyAnswer } from './claims.ts';
import type { AnswerPart } from './conversation.ts';

const snapshot = 'one\ntwo 🚢 three\n\nfour';
const source = { id: 's1', uri: 'https://e.org', title: 'E', sha256: 'a', bytes: 1, fetchedAt: '2026-01-31T00:00:00Z' };
const evidence = { sources: new Map([['a', source]]), snapshots: new Map([['a', snapshot]]) };

function spansOf(draft: readonly AnswerPart[]) {
  const report = verifyAnswer({ draft }, evidence);
  return { ...report, found: claimSpans(report) };
}

function claim(text: string, ...quotes: readonly string[]): AnswerPart {
  return { text, claim: true, citations: quotes.map((quote) => ({ source: 's1', quote })) };
}

const frame = (text: string): AnswerPart => ({ text, claim: false, citations: [] });

describe('the place of a claim in the answer', () => {
  it('is that of its words, without its marks', () => {
    const { answer, found } = spansOf([frame('# On\n\n'), claim('First. ', 'one'), claim(' Second', 'nowhere')]);
    expect(found.map((span) => span && answer.slice(span.start, span.end))).toEqual(['First.', 'Second']);
  });

  it('is not where the same words stand as no claim', () => {
    const { answer, found } = spansOf([frame('Four.'), claim('Four.', 'four')]);
    expect(found).toEqual([{ start: answer.indexOf('Four. [1]'), end: answer.indexOf(' [1]') }]);
  });

  it('of a quotation of several lines is that of its block', () => {
    const { answer, found } = spansOf([claim(snapshot, snapshot)]);
    expect(found.map((span) => span && answer.slice(span.start, span.end))).toEqual(['one\n> two 🚢 three\n>\n> four']);
  });

  it('is none for a claim that the answer does not hold', () => {
    expect(
      claimSpans({ answer: 'Something else.', claims: [{ text: 'x', verdict: 'unsupported', citations: [] }] }),
    ).toEqual([null]);
  });

  it('is found for every claim of every answer, in order', () => {
    const words = fc.stringMatching(/^[ab>\s.-]{0,6}[ab][ab\s]{0,4}$/);
    const quotes = fc.subarray(['one', 'two', 'nowhere', 'one\ntwo']);
    const part = fc.oneof(
      fc.tuple(words, quotes).map(([text, some]) => claim(text, ...some)),
      fc.constantFrom('one', 'one\ntwo', 'one\n', '\n\nfour').map((quote) => claim(quote, quote)),
      words.map(frame),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (draft) => {
        const { found } = spansOf(draft);
        const starts = found.map((span) => span?.start ?? -1);
        expect(starts).toEqual(starts.toSorted((a, b) => a - b));
        expect(starts).not.toContain(-1);
      }),
      { numRuns: 2_000 },
    );
  });
});
