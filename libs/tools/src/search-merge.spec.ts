import { describe, expect, it } from '@jest/globals';
import type { SourcePolicy, ToolFault } from '#domain';
import type { ProviderHit } from './providers/provider.ts';
import type { Answer } from './search-ask.ts';
import { faultOfAll, mergeHits } from './search-merge.ts';
import { contextWith } from './testing/context.contract.ts';
import { hit } from './testing/web-search.contract.ts';

const answer = (provider: string, hits: readonly ProviderHit[], fault?: ToolFault): Answer => {
  return { provider, hits, madeAt: '2026-01-01T00:00:00.000Z', ...(fault ? { fault } : {}) };
};
const policy = (more: Partial<SourcePolicy> = {}): SourcePolicy => ({ ...contextWith({ web: true }).policy, ...more });
const urls = (answers: readonly Answer[], allowed = policy()) =>
  mergeHits(answers, 'lock', allowed).hits.map(({ url }) => url);

describe('mergeHits', () => {
  const [a, b, c] = ['https://a.example/', 'https://b.example/', 'https://c.example/'].map((url) => hit(url));

  it('puts what several found before what one ranked alike', () => {
    expect(
      urls([
        answer(
          'x',
          [a, b].filter((one) => one !== undefined),
        ),
        answer(
          'y',
          [c, b].filter((one) => one !== undefined),
        ),
      ]),
    ).toEqual(['https://b.example/', 'https://a.example/', 'https://c.example/']);
  });

  it('names a page once, as the one who ranked it best tells it, filled up by the others', () => {
    const first = hit('http://a.example/x', { title: 'First', snippet: '' });
    const second = hit('https://a.example/x', { title: 'Second', snippet: 'told', published: '2024' });
    const { hits } = mergeHits(
      [answer('x', [hit('https://b.example/'), second]), answer('y', [first])],
      'lock',
      policy(),
    );
    expect(hits[0]).toEqual({
      url: 'https://a.example/x',
      title: 'First',
      snippet: 'told',
      published: '2024',
      providers: ['y', 'x'],
    });
  });

  it('puts works that share few words with the query behind pages', () => {
    const work = { authors: [], year: null, venue: null, citations: null, doi: null, pdfUrl: null };
    const noise = hit('https://doi.org/10.1000/a', { title: 'Locks of hair in art', work });
    const paper = hit('https://doi.org/10.1000/b', { title: 'Renewing', abstract: 'The lease of a lock', work });
    const { hits } = mergeHits(
      [answer('works', [noise, paper]), answer('wiki', [hit('https://wiki.example/'), hit('https://b.example/')])],
      'how is the lease of a lock renewed',
      policy(),
    );
    expect(hits.map(({ url }) => new URL(url).pathname)).toEqual(['/', '/10.1000/b', '/', '/10.1000/a']);
  });

  it('does not let a provider raise a page by naming it twice', () => {
    const twice = hit('https://a.example/');
    expect(
      urls([answer('x', [hit('https://b.example/'), twice, twice]), answer('y', [hit('https://c.example/')])])[0],
    ).not.toBe(twice.url);
  });

  it('holds to the sites of a run', () => {
    const found = [
      answer(
        'x',
        ['https://a.example/', 'https://sub.b.example/', 'https://c.example/'].map((url) => hit(url)),
      ),
    ];
    expect(urls(found, policy({ denyDomains: ['b.example'] }))).toEqual(['https://a.example/', 'https://c.example/']);
    expect(urls(found, policy({ allowDomains: ['b.example'] }))).toEqual(['https://sub.b.example/']);
    expect(mergeHits(found, 'lock', policy({ allowDomains: ['d.example'] }))).toEqual({ hits: [], outside: 3 });
  });

  it.each([
    ['2024', true],
    ['2024-05', true],
    ['2024-05-17', true],
    ['2024-05-16', false],
    ['2025-02-01', true],
    ['2025-02-02', false],
    ['2025-02', true],
    ['2025-03', false],
    ['2023', false],
    ['2026', false],
    [null, false],
  ])('takes what was published %s for within 2024-05-17 and 2025-02-01: %s', (published, isIn) => {
    const days = policy({ publishedAfter: '2024-05-17', publishedBefore: '2025-02-01' });
    expect(urls([answer('x', [hit('https://a.example/', { published })])], days)).toHaveLength(isIn ? 1 : 0);
  });

  it('takes what has no date where days do not matter, and names ten pages at most', () => {
    const many = Array.from({ length: 30 }, (_, n) => hit(`https://a.example/${n}`));
    expect(urls([answer('x', many)])).toEqual(many.slice(0, 10).map(({ url }) => url));
  });
});

describe('faultOfAll', () => {
  const fault = (kind: ToolFault['kind'], more: object = {}): ToolFault => ({ kind, message: `${kind}.`, ...more });

  it('is empty only where everyone looked', () => {
    expect(faultOfAll([answer('x', []), answer('y', [])], 0).kind).toBe('empty');
    expect(faultOfAll([answer('x', []), answer('y', [], fault('transient'))], 0)).toEqual(fault('transient'));
  });

  it('tells the fault that may pass before the one that will not, and all of them in words', () => {
    const quota = fault('quota', { retryAfterMs: 5 });
    const told = faultOfAll([answer('x', [], fault('blocked')), answer('y', [], quota)], 0);
    expect(told).toEqual({ kind: 'quota', message: 'blocked. quota.', retryAfterMs: 5 });
  });

  it('is invalid where somebody does not take the query: only who was asked can have found nothing', () => {
    expect(faultOfAll([answer('x', [], fault('invalid'))], 0).kind).toBe('invalid');
    expect(faultOfAll([answer('x', [], fault('invalid')), answer('y', [])], 0)).toMatchObject({
      kind: 'invalid',
      message: 'invalid. The others found nothing for it.',
    });
  });

  it('says that pages were left out', () => {
    expect(faultOfAll([answer('x', [])], 4).message).toMatch(/^4 pages were found, all outside/);
  });
});
