import { describe, expect, it } from '@jest/globals';
import { proseFactor, rank } from './rank.ts';
import type { Candidate, TermQuery } from './types.ts';

const candidate = (
  uri: string,
  order: number,
  scores: { bm25?: number; cosine?: number; text?: string },
): Candidate => {
  const { bm25 = 0, cosine = 0, text = `passage ${order} of ${uri}` } = scores;
  return {
    ...{ sha256: uri, start: 0, end: text.length, text, headings: [], score: 0, uri, title: uri, bm25, cosine, order },
    ...{ bytes: 1, fetchedAt: '2026-01-01T00:00:00.000Z' },
  };
};
const nothing: TermQuery = { groups: [] };
const noStatistics = { passages: 0, documentFrequency: {} };
const byWords = (candidates: Candidate[], query = nothing, statistics = noStatistics) =>
  rank({ byWords: candidates, byMeaning: [] }, query, statistics).map((hit) => `${hit.uri}/${hit.order}`);

describe('rank', () => {
  it('puts the best BM25 first', () => {
    expect(byWords([candidate('a', 0, { bm25: 1 }), candidate('b', 0, { bm25: 3 })])).toEqual(['b/0', 'a/0']);
  });

  it('raises a passage that both orders found above one that tops a single order', () => {
    const both = candidate('both', 0, { bm25: 2, cosine: 0.5 });
    const words = [candidate('words', 0, { bm25: 3 }), both];
    const meaning = [candidate('meaning', 0, { cosine: 0.9 }), both];
    const [first] = rank({ byWords: words, byMeaning: meaning }, nothing, noStatistics);
    expect(first?.uri).toBe('both');
  });

  it('keeps passages that only their meaning brought up', () => {
    const hits = rank({ byWords: [], byMeaning: [candidate('a', 0, { cosine: 0.4 })] }, nothing, noStatistics);
    expect(hits.map((hit) => hit.uri)).toEqual(['a']);
  });

  it('prefers the passage that covers the rare words of the query', () => {
    const query = {
      groups: [
        { terms: ['lock'], weight: 1 },
        { terms: ['worker'], weight: 1 },
      ],
    };
    const statistics = { passages: 1000, documentFrequency: { lock: 2, worker: 500 } };
    const rare = candidate('rare', 0, { bm25: 1, text: 'the lock is kept' });
    const common = candidate('common', 0, { bm25: 1.1, text: 'the worker is kept' });
    expect(byWords([common, rare], query, statistics)).toEqual(['rare/0', 'common/0']);
  });

  it('gives each text once, however it is spaced', () => {
    const same = [
      candidate('a', 0, { bm25: 2, text: 'same  text' }),
      candidate('b', 0, { bm25: 1, text: 'Same text' }),
    ];
    expect(byWords(same)).toEqual(['a/0']);
  });

  it('stops at 24 and breaks ties by address, whatever the order of the candidates', () => {
    const address = (n: number) => `d${String(n).padStart(2, '0')}`;
    const many = Array.from({ length: 30 }, (_, n) => candidate(address(n), 0, { bm25: 1 }));
    const hits = byWords(many.toReversed());
    expect(hits).toEqual(Array.from({ length: 24 }, (_, n) => `${address(n)}/0`));
  });
});

describe('proseFactor', () => {
  it('is 1 for prose and far lower for code', () => {
    expect(proseFactor('A worker keeps its lock for thirty seconds.')).toBe(1);
    expect(proseFactor('if (a[i] === b) { c = (d) => { return e; }; }')).toBeLessThan(0.65);
  });
});
