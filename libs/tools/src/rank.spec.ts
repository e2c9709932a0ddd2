import { describe, expect, it } from '@jest/globals';
import type { Candidate } from './corpus/types.ts';
import { rank } from './rank.ts';

const candidate = (uri: string, order: number, bm25: number, text = `${uri} ${order}`): Candidate => ({
  ...{ sha256: uri, start: 0, end: text.length, text, headings: [], score: 0, uri, title: uri, bm25, order },
  ...{ bytes: 1, fetchedAt: '2026-01-01T00:00:00.000Z' },
});
const ranked = (candidates: Candidate[]) => rank(candidates, { groups: [] }, { passages: 0, documentFrequency: {} });

describe('rank', () => {
  it('puts the best first and takes at most two passages of a document', () => {
    const hits = ranked([candidate('a', 0, 1), candidate('a', 1, 5), candidate('a', 2, 4), candidate('b', 0, 2)]);
    expect(hits.map((h) => [h.uri, h.order])).toEqual([
      ['a', 1],
      ['a', 2],
      ['b', 0],
    ]);
  });

  it('gives each text once, however it is spaced', () => {
    expect(ranked([candidate('a', 0, 2, 'same  text'), candidate('b', 0, 1, 'Same text')])).toHaveLength(1);
  });

  it('stops at ten hits and breaks ties by address', () => {
    const many = Array.from({ length: 20 }, (_, n) => candidate(`d${String(n).padStart(2, '0')}`, 0, 1)).reverse();
    expect(ranked(many).map((h) => h.uri)).toEqual(Array.from({ length: 10 }, (_, n) => `d0${n}`));
  });
});
