import { describe, expect, it } from '@jest/globals';
import { atEnd, serve } from '../../../../test/support/web-servers.ts';
import { doorTo, queryOf } from '../testing/web-search.contract.ts';
import { arxiv } from './arxiv.ts';
import { brave } from './brave.ts';
import { crossref } from './crossref.ts';
import { exa } from './exa.ts';
import { mediawiki } from './mediawiki.ts';
import { openalex } from './openalex.ts';
import { ProviderFault, type SearchProvider } from './provider.ts';
import * as replies from './replies.contract.ts';
import { searxng } from './searxng.ts';
import { serper } from './serper.ts';
import { tavily } from './tavily.ts';

async function read(make: (base: string) => SearchProvider, reply: object | string) {
  const site = await serve((_, response) => response.end(typeof reply === 'string' ? reply : JSON.stringify(reply)));
  const door = doorTo(site.port);
  atEnd(() => door.close());
  return await make(site.at).search(queryOf('renew lock'), door);
}

const wiki = (base: string) => mediawiki(`${base}/api.php`);

describe('what web providers answer', () => {
  const locks = {
    url: 'https://docs.example.org/locks',
    published: '2024-05-17',
    snippet: 'A worker renews its lock.',
  };

  it.each<[string, (base: string) => SearchProvider, object, object, object]>([
    ['searxng', searxng, replies.searxngReply, { title: 'Locks & leases' }, { title: 'B', snippet: '' }],
    ['brave', (base) => brave('k', base), replies.braveReply, { title: 'Locks' }, { snippet: 'No date.' }],
    ['tavily', (base) => tavily('k', base), replies.tavilyReply, { title: 'Locks' }, { snippet: 'No date.' }],
    ['serper', (base) => serper('k', base), replies.serperReply, { title: 'Locks' }, { snippet: 'Fresh.' }],
    [
      'exa',
      (base) => exa('k', base),
      replies.exaReply,
      { title: 'Locks', snippet: 'A worker renews its lock. … The lock ends by itself.' },
      { title: 'example.org', snippet: '' },
    ],
  ])('%s: pages with plain text, canonical address and date', async (_name, make, reply, first, second) => {
    const hits = await read(make, reply);
    expect(hits).toEqual([
      { ...locks, ...first },
      { url: 'https://example.org/b', title: 'B', published: null, snippet: '', ...second },
    ]);
  });

  it('mediawiki: addresses as the wiki forms them, and no date, because an edit is no publication', async () => {
    expect(await read(wiki, replies.mediawikiReply)).toEqual([
      {
        url: expect.stringMatching(/^http:\/\/wiki\.example\/wiki\/AC\/DC:_%C5%81%C3%B3d%C5%BA_%26_%E6%B0%97%3F$/),
        title: 'AC/DC: Łódź & 気?',
        snippet: `a lock "x" 'y'`,
        published: null,
      },
      expect.objectContaining({ url: 'http://wiki.example/wiki/Lock_(computer_science)' }),
    ]);
  });

  it('searxng: engines that are all away are no empty index', async () => {
    const away = { ...replies.searxngReply, results: [] };
    await expect(read(searxng, away)).rejects.toMatchObject({ kind: 'transient' });
  });

  it.each([
    ['ratelimited', 'quota'],
    ['maxlag', 'transient'],
    ['readapidenied', 'blocked'],
    ['cirrussearch-query-too-long', 'invalid'],
  ])('mediawiki: the error %s is %s', async (code, kind) => {
    const thrown = read(wiki, { error: { code, info: 'x' }, docref: 'y' });
    await expect(thrown).rejects.toMatchObject({ name: 'ProviderFault', kind });
  });
});

describe('what scholarly providers answer', () => {
  it('openalex: a work with its abstract put together', async () => {
    const hits = await read((base) => openalex(null, base), replies.openalexReply);
    expect(hits).toEqual([
      {
        url: 'https://doi.org/10.1000/abc.1',
        title: 'Leases for locks',
        snippet: 'We renew locks and, renew leases',
        abstract: 'We renew locks and, renew leases',
        published: '2024-05-17',
        arxivId: '2405.01234',
        work: {
          authors: ['Ada Writer', 'B. Reader'],
          year: 2024,
          venue: 'Journal of Locks',
          citations: 12,
          doi: '10.1000/abc.1',
          pdfUrl: 'https://arxiv.org/pdf/2405.01234',
        },
      },
      expect.objectContaining({ url: 'https://openalex.org/W2', title: 'openalex.org', abstract: '', published: null }),
    ]);
  });

  it('crossref: a work without markup, a PDF only where its licence is free', async () => {
    const hits = await read((base) => crossref('a@b.example', base), replies.crossrefReply);
    expect(hits[0]).toEqual({
      url: 'https://doi.org/10.1000/abc.1',
      title: 'Leases for locks',
      snippet: 'We renew locks, p < 0.05.',
      abstract: 'We renew locks, p < 0.05.',
      published: '2024-05',
      arxivId: undefined,
      work: {
        authors: ['Ada Writer', 'The Lock Group'],
        year: 2024,
        venue: 'Journal of Locks & Keys',
        citations: 9,
        doi: '10.1000/abc.1',
        pdfUrl: 'https://j.example/1.pdf',
      },
    });
    expect(hits[1]).toMatchObject({ published: null, work: { year: null, authors: [], pdfUrl: null } });
  });

  it('arxiv: papers with formulas whole, of both kinds of number', async () => {
    const hits = await read(arxiv, replies.arxivReply);
    expect(hits).toEqual([
      {
        url: 'https://arxiv.org/abs/2405.01234',
        title: 'Leases for locks',
        snippet: 'We renew locks where a <b & c> d hold.',
        abstract: 'We renew locks where a <b & c> d hold.',
        published: '2024-05-17',
        arxivId: '2405.01234',
        work: {
          authors: ['Ada Writer', 'B. Reader'],
          year: 2024,
          venue: 'J. Locks 4 (2024) 1',
          citations: null,
          doi: '10.1000/abc.1',
          pdfUrl: 'https://arxiv.org/pdf/2405.01234v2',
        },
      },
      expect.objectContaining({ url: 'https://arxiv.org/abs/hep-ex/0307015', arxivId: 'hep-ex/0307015' }),
    ]);
    expect(hits[1]?.work).toMatchObject({ doi: '10.48550/arxiv.hep-ex/0307015', venue: 'arXiv' });
  });

  it.each([
    [
      'an error in the clothes of a paper',
      '<feed><entry><id>http://arxiv.org/api/errors#x</id><title>Error</title><summary>bad</summary></entry></feed>',
      'invalid',
    ],
    ['that it was asked too often', 'Rate exceeded.', 'quota'],
    [
      'entities of its own',
      '<!DOCTYPE feed [<!ENTITY x "y">]><feed><entry><id>http://arxiv.org/abs/2405.01234</id><title>&x;</title></entry></feed>',
      'transient',
    ],
    ['an entry of something else', '<feed><entry><id>http://b.example/1</id></entry></feed>', 'transient'],
  ])('arxiv: %s', async (_what, reply, kind) => {
    const thrown: unknown = await read(arxiv, reply).then(
      () => null,
      (error: unknown) => error,
    );
    expect(thrown).toBeInstanceOf(ProviderFault);
    expect(thrown).toMatchObject({ kind });
  });
});
