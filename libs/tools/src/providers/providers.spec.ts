import type { IncomingMessage, RequestListener } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { EgressBlocked } from '#egress';
import { Aborted } from '#errors';
import { atEnd, serve } from '../../../../test/support/web-servers.ts';
import { doorTo, queryOf } from '../testing/web-search.contract.ts';
import { arxiv } from './arxiv.ts';
import { brave } from './brave.ts';
import { crossref } from './crossref.ts';
import { exa } from './exa.ts';
import { mediawiki } from './mediawiki.ts';
import { openalex } from './openalex.ts';
import { ProviderFault, type ProviderQuery, type SearchProvider } from './provider.ts';
import { searxng } from './searxng.ts';
import { serper } from './serper.ts';
import { tavily } from './tavily.ts';

type Made = (base: string) => SearchProvider;

/** Every provider, with an answer of its that holds nothing. Shapes: the public documentation that each file names. */
const all: readonly [string, Made, string][] = [
  ['searxng', (base) => searxng(base), '{"query":"q","results":[],"unresponsive_engines":[]}'],
  ['brave', (base) => brave('k', base), '{"type":"search","query":{"original":"q"}}'],
  ['tavily', (base) => tavily('k', base), '{"query":"q","results":[],"response_time":0.3}'],
  ['serper', (base) => serper('k', base), '{"searchParameters":{"q":"q"},"organic":[]}'],
  ['exa', (base) => exa('k', base), '{"requestId":"x","results":[]}'],
  [
    'mediawiki',
    (base) => mediawiki(`${base}/w/api.php`),
    '{"batchcomplete":true,"query":{"general":{"server":"//w.example","articlepath":"/wiki/$1"},"search":[]}}',
  ],
  ['openalex', (base) => openalex('k', base), '{"meta":{"count":0},"results":[]}'],
  ['crossref', (base) => crossref(null, base), '{"status":"ok","message":{"total-results":0,"items":[]}}'],
  ['arxiv', (base) => arxiv(base), '<feed xmlns="http://www.w3.org/2005/Atom"><title>none</title></feed>'],
];

async function asked(make: Made, answer: RequestListener, more: Partial<ProviderQuery> = {}) {
  const site = await serve(answer);
  const door = doorTo(site.port);
  atEnd(() => door.close());
  return { search: make(site.at).search(queryOf('who renews a lock', more), door), seen: site.seen };
}

const replying =
  (status: number, body: string, headers: Record<string, string> = {}): RequestListener =>
  (_, response) =>
    response.writeHead(status, headers).end(body);

const faulty = async (search: Promise<unknown>): Promise<ProviderFault> => {
  const thrown: unknown = await search.then(
    () => null,
    (error: unknown) => error,
  );
  if (!(thrown instanceof ProviderFault)) throw new Error(`no ProviderFault: ${String(thrown)}`);
  return thrown;
};

describe.each(all)('%s', (name, make, nothing) => {
  it('says that nothing was found only where it says so itself', async () => {
    const { search } = await asked(make, replying(200, nothing));
    expect(await search).toEqual([]);
  });

  it('is blocked where it refuses us, and says what to check', async () => {
    const { search } = await asked(make, replying(401, '{"error":"no"}'));
    expect(await faulty(search)).toMatchObject({
      kind: 'blocked',
      message: expect.stringMatching(`^${name} answered 401`),
    });
  });

  it('rests as long as it is told to', async () => {
    const { search } = await asked(make, replying(429, '', { 'retry-after': '7' }));
    expect(await faulty(search)).toMatchObject({ kind: 'quota', retryAfterMs: 7_000 });
  });

  it('is told from an index without answers when it is down', async () => {
    const { search } = await asked(make, replying(503, nothing, { 'retry-after': 'Fri, 02 Jan 2026 03:04:15 GMT' }));
    expect(await faulty(search)).toMatchObject({ kind: 'transient', retryAfterMs: 10_000 });
  });

  it.each([300, 304, 408, 500])('has a fault when it answers %i', async (status) => {
    const { search } = await asked(make, replying(status, status === 304 ? '' : nothing));
    expect((await faulty(search)).kind).toBe('transient');
  });

  it.each([400, 404, 414])('does not take a query that it answers with %i', async (status) => {
    const { search } = await asked(make, replying(status, nothing));
    expect((await faulty(search)).kind).toBe('invalid');
  });

  it.each([
    ['a web page', '<!doctype html><html><body>Just a moment...</body></html>'],
    ['nothing', ''],
    ['another shape', '{"data":{"hits":[]}}'],
    ['a list', '[]'],
    ['null', 'null'],
    ['half of its answer', '{"results":[{"url":'],
    ['10 MB', `{"results":[],"more":"${'x'.repeat(10_000_000)}"}`],
  ])('answers in a form that is not known with %s', async (_what, body) => {
    const { search } = await asked(make, replying(200, body));
    expect(await faulty(search)).toMatchObject({
      kind: 'transient',
      message: expect.stringMatching(/form that is not known/),
    });
  });

  it('stops with the signal when no answer ever comes', async () => {
    const stop = new AbortController();
    const { search } = await asked(make, () => stop.abort(), { signal: stop.signal });
    await expect(search).rejects.toThrow(Aborted);
  });

  it('cannot lead to a private address', async () => {
    const inner = await serve(replying(200, nothing));
    const { search } = await asked(make, replying(302, '', { location: `${inner.at}/latest/meta-data` }));
    await expect(search).rejects.toThrow(EgressBlocked);
    expect(inner.seen).toEqual([]);
  });
});

const json = (seen: readonly IncomingMessage[]) => seen[0]?.headers['content-type'];

describe('what they are sent', () => {
  const days = { after: '2024-03-05', before: '2025-01-31', allowDomains: ['*.a.example'], denyDomains: ['b.example'] };
  const sent = async (make: Made, nothing: string, more: Partial<ProviderQuery>) => {
    let body = '';
    const { search, seen } = await asked(
      make,
      (request, response) => {
        request.on('data', (chunk: Buffer) => (body += chunk.toString()));
        request.on('end', () => response.end(nothing));
      },
      more,
    );
    await search;
    const url = new URL(seen[0]?.url ?? '', 'http://x');
    return { path: url.pathname, query: Object.fromEntries(url.searchParams), headers: seen[0]?.headers, body, seen };
  };
  const by = (name: string) => all.find(([one]) => one === name) ?? all[0];

  it.each<[string, object]>([
    [
      'searxng',
      { path: '/search', query: { q: 'lock site:a.example -site:b.example', format: 'json', language: 'ja' } },
    ],
    [
      'brave',
      { path: '/res/v1/web/search', query: { freshness: '2024-03-05to2025-01-31', count: '10', search_lang: 'jp' } },
    ],
    [
      'openalex',
      {
        path: '/works',
        query: {
          search: 'lock',
          filter: 'from_publication_date:2024-03-05,to_publication_date:2025-01-31',
          api_key: 'k',
        },
      },
    ],
    [
      'crossref',
      {
        path: '/works',
        query: { 'query.bibliographic': 'lock', filter: 'from-pub-date:2024-03-05,until-pub-date:2025-01-31' },
      },
    ],
    [
      'arxiv',
      {
        path: '/api/query',
        query: { search_query: 'all:"lock" AND submittedDate:[202403050000 TO 202501312359]', max_results: '10' },
      },
    ],
    [
      'mediawiki',
      { path: '/w/api.php', query: { list: 'search', srsearch: 'lock', srlimit: '10', formatversion: '2' } },
    ],
  ])('%s', async (name, expected) => {
    const [, make, nothing] = by(name) ?? [];
    if (!make) throw new Error(name);
    expect(await sent(make, nothing ?? '', { query: 'lock', language: 'ja', ...days })).toMatchObject(expected);
  });

  it.each<[string, object, object]>([
    [
      'tavily',
      { authorization: 'Bearer k' },
      {
        query: 'lock',
        max_results: 10,
        start_date: '2024-03-05',
        end_date: '2025-01-31',
        include_domains: ['a.example'],
        exclude_domains: ['b.example'],
      },
    ],
    [
      'serper',
      { 'x-api-key': 'k' },
      { q: 'lock site:a.example -site:b.example', num: 10, hl: 'ja', tbs: 'cdr:1,cd_min:3/5/2024,cd_max:1/31/2025' },
    ],
    [
      'exa',
      { 'x-api-key': 'k' },
      {
        query: 'lock',
        numResults: 10,
        startPublishedDate: '2024-03-05T00:00:00.000Z',
        includeDomains: ['a.example'],
        excludeDomains: ['b.example'],
      },
    ],
  ])('%s', async (name, headers, body) => {
    const [, make, nothing] = by(name) ?? [];
    if (!make) throw new Error(name);
    const told = await sent(make, nothing ?? '', { query: 'lock', language: 'ja', ...days });
    expect(JSON.parse(told.body)).toMatchObject(body);
    expect(told.headers).toMatchObject(headers);
    expect(json(told.seen)).toBe('application/json');
  });

  it('leaves out sites where a query would become too long', async () => {
    const [, make, nothing] = by('brave') ?? [];
    if (!make) throw new Error();
    const query = 'x'.repeat(390);
    expect((await sent(make, nothing ?? '', { query, ...days })).query['q']).toBe(query);
  });

  it('leaves out of a question, where every word must occur, those that say nothing', async () => {
    const [, make, nothing] = by('mediawiki') ?? [];
    if (!make) throw new Error();
    expect((await sent(make, nothing ?? '', { query: 'Who invented the telescope?' })).query['srsearch']).toBe(
      'invented telescope',
    );
    expect((await sent(make, nothing ?? '', { query: 'the "who cares" song' })).query['srsearch']).toBe(
      'the "who cares" song',
    );
  });
});
