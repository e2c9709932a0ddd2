import { describe, expect, it } from '@jest/globals';
import { fitOf } from './search-fit.ts';
import { hit } from './testing/web-search.contract.ts';

const work = { authors: ['Cary Gray'], year: 1989, venue: 'SOSP', citations: null, doi: null, pdfUrl: null };
const paper = hit('https://doi.org/10.1000/a', {
  title: 'Leases',
  snippet: '',
  abstract: 'Caches stay consistent.',
  work,
});

describe('fitOf', () => {
  it.each([
    ['how do leases keep caches consistent', 3 / 4],
    ['Gray SOSP lease', 1],
    ['dinosaurs', 0],
    ['what is it', 0],
    ['???', 1],
  ])('of a work, by %j, is %d', (query, fit) => {
    expect(fitOf(paper, query)).toBeCloseTo(fit);
  });

  it('takes a page at its word', () => {
    expect(fitOf(hit('https://a.example/', { title: 'Else' }), 'leases')).toBe(1);
  });
});
