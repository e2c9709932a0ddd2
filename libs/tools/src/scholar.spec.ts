import { describe, expect, it } from '@jest/globals';
import type { ScholarlyWork } from '#domain';
import { InvalidInput } from '#errors';
import { atEnd, serve } from '../../../test/support/web-servers.ts';
import { arxiv } from './providers/arxiv.ts';
import { crossref } from './providers/crossref.ts';
import { openalex } from './providers/openalex.ts';
import { ProviderFault, type ProviderHit, type SearchProvider } from './providers/provider.ts';
import { arxivReply, crossrefReply, openalexReply } from './providers/replies.contract.ts';
import { scholarTool } from './scholar.ts';
import { mergeWorks } from './scholar-merge.ts';
import { contextWith } from './testing/context.contract.ts';
import { doorTo, hit, openEvidence, openPace, providerOf } from './testing/web-search.contract.ts';

const bare: ScholarlyWork = { authors: [], year: null, venue: null, citations: null, doi: null, pdfUrl: null };

function entry(title: string, work: Partial<ScholarlyWork>, more: Partial<ProviderHit> = {}): ProviderHit {
  const url = work.doi ? `https://doi.org/${work.doi}` : `https://papers.example/${encodeURIComponent(title)}`;
  return hit(url, { title, snippet: '', work: { ...bare, ...work }, ...more });
}

function merged(byProvider: Readonly<Record<string, readonly ProviderHit[]>>) {
  const answers = Object.entries(byProvider).map(([provider, hits]) => ({
    provider,
    hits,
    madeAt: `${provider} told`,
  }));
  return mergeWorks(answers, '', contextWith({ web: true }).policy).works;
}

const title = 'Leases: a fault-tolerant mechanism';

describe('mergeWorks', () => {
  it('makes one of what shares a DOI, from what each of them knows', () => {
    const works = merged({
      openalex: [
        entry('Other work of that kind', { doi: '10.1000/o' }),
        entry(
          'LEASES',
          { doi: '10.1000/a', authors: ['A. Writer'], citations: 12, year: 1989 },
          { abstract: 'Short.' },
        ),
      ],
      crossref: [
        entry(
          title,
          {
            doi: '10.1000/a',
            authors: ['Ada Writer', 'B. Reader'],
            citations: 9,
            venue: 'SOSP',
            pdfUrl: 'https://a.example/1.pdf',
          },
          { abstract: 'The longer abstract.', published: '1989-12' },
        ),
      ],
    });
    expect(works).toHaveLength(2);
    expect(works[0]).toEqual({
      hit: {
        url: 'https://doi.org/10.1000/a',
        title,
        snippet: '',
        published: '1989-12',
        providers: ['crossref', 'openalex'],
        work: {
          authors: ['Ada Writer', 'B. Reader'],
          year: 1989,
          venue: 'SOSP',
          citations: 12,
          doi: '10.1000/a',
          pdfUrl: 'https://a.example/1.pdf',
        },
      },
      abstract: 'The longer abstract.',
      madeAt: 'crossref told',
    });
  });

  it('makes one of a preprint and its article by the number of arXiv, even if it joins two that looked apart', () => {
    const preprint = entry(
      'A preprint of ours',
      { doi: '10.48550/arxiv.2405.01234', venue: 'arXiv' },
      { arxivId: '2405.01234' },
    );
    const article = entry('Another title at last', { doi: '10.1000/a', venue: 'J. Locks' });
    const both = entry('Another title at last', { doi: '10.1000/a' }, { arxivId: '2405.01234' });
    const works = merged({ arxiv: [preprint], crossref: [article], openalex: [both] });
    expect(works).toHaveLength(1);
    expect(works[0]?.hit).toMatchObject({
      url: 'https://doi.org/10.48550/arxiv.2405.01234',
      work: { doi: '10.1000/a', venue: 'J. Locks' },
    });
    expect(works[0]?.hit.providers).toEqual(['arxiv', 'crossref', 'openalex']);
  });

  it.each<[string, ProviderHit, ProviderHit, number]>([
    [
      'title and year, where one has no DOI',
      entry(title, { year: 1989, doi: '10.1000/a' }),
      entry(`${title.toUpperCase()}!`, { year: 1989 }),
      1,
    ],
    ['title, but not the year', entry(title, { year: 1989 }), entry(title, { year: 1990 }), 2],
    ['title, and no year is known', entry(title, {}), entry(title, {}), 2],
    [
      'title and year, but each has its own DOI',
      entry(title, { year: 1989, doi: '10.1000/a' }),
      entry(title, { year: 1989, doi: '10.1000/b' }),
      2,
    ],
    ['a title of one word', entry('Preface', { year: 1989 }), entry('Preface', { year: 1989 }), 2],
  ])('of two that share %s', (_what, one, other, count) => {
    expect(merged({ openalex: [one], arxiv: [other] })).toHaveLength(count);
  });

  it('puts what fits the query before what was only ranked first', () => {
    const noise = entry('Prefaces of many books', { doi: '10.1000/n' });
    const work = entry(title, { doi: '10.1000/a', authors: ['C. Gray'] });
    const answers = [{ provider: 'crossref', madeAt: '', hits: [noise, work] }];
    const { works } = mergeWorks(answers, 'Gray fault-tolerant leases', contextWith({ web: true }).policy);
    expect(works.map(({ hit: one }) => one.title)).toEqual([title, noise.title]);
  });

  it('leaves out what the run may not use', () => {
    const answers = [{ provider: 'x', madeAt: '', hits: [entry(title, { year: 1989 }, { published: '1989' })] }];
    const policy = contextWith({ web: true, publishedAfter: '2000-01-01' }).policy;
    expect(mergeWorks(answers, '', policy)).toEqual({ works: [], outside: 1 });
  });
});

describe('scholar', () => {
  const scholarly = { field: 'scholarly' } as const;
  const tool = (...providers: readonly SearchProvider[]) => {
    const door = { fetch: async () => await Promise.reject(new Error('no provider here fetches')) };
    const { pace, log } = openPace();
    return { tool: scholarTool({ providers, door, pace, evidence: openEvidence().evidence }), log };
  };
  const work = entry(
    title,
    { doi: '10.1000/a', authors: ['Ada Writer'], year: 1989, venue: 'SOSP' },
    { abstract: 'We grant leases.' },
  );
  const index = providerOf('openalex', () => [work, entry('A work without abstract', {})], scholarly);

  it('gives of each work what can be quoted: its abstract is a source at its DOI', async () => {
    const { observation, snapshots } = await tool(index).tool.run({ query: ['leases'] }, contextWith({ web: true }));
    const text = `${title}\nAda Writer\nSOSP, 1989\n\nWe grant leases.`;
    expect(observation.sections[0]?.hits?.map((one) => one.title)).toEqual([title, 'A work without abstract']);
    expect(Object.keys(observation.attributions ?? {})).toEqual(observation.sections[0]?.hits?.[0]?.providers);
    expect(observation.sections[0]?.passages).toEqual([expect.objectContaining({ start: 0, end: text.length, text })]);
    expect(observation.sources).toEqual([
      {
        uri: 'https://doi.org/10.1000/a',
        title,
        sha256: observation.sections[0]?.passages[0]?.sha256,
        bytes: Buffer.byteLength(text),
        fetchedAt: '2026-01-02T00:00:00.000Z',
      },
    ]);
    expect([...snapshots]).toEqual([[observation.sources[0]?.sha256, text]]);
  });

  it('asks scholarly providers alone, and tells one that is down only where nobody knows a work', async () => {
    const down = providerOf(
      'arxiv',
      () => Promise.reject(new ProviderFault('quota', 'arxiv rests.', 3_000)),
      scholarly,
    );
    const { tool: both, log } = tool(
      index,
      down,
      providerOf('wiki', () => []),
    );
    const found = await both.run({ query: ['leases'] }, contextWith({ web: true }));
    expect(found.observation.sections[0]).not.toHaveProperty('fault');
    expect(log.filter((line) => line.startsWith('turn')).sort()).toEqual(['turn search:arxiv', 'turn search:openalex']);
    const none = await tool(down).tool.run({ query: ['leases'] }, contextWith({ web: true }));
    expect(none.observation.sections[0]?.fault).toEqual({
      kind: 'quota',
      message: 'arxiv rests.',
      retryAfterMs: 3_000,
    });
  });

  it('makes one work of what three indexes answer by HTTP', async () => {
    const replies = [JSON.stringify(openalexReply), JSON.stringify(crossrefReply), arxivReply];
    const sites = await Promise.all(replies.map((reply) => serve((_, response) => response.end(reply))));
    const [first, second, third] = sites.map(({ at }) => at);
    const providers = [openalex(null, first), crossref(null, second), arxiv(third)];
    const door = doorTo(...sites.map(({ port }) => port));
    atEnd(() => door.close());
    const parts = { providers, door, pace: openPace().pace, evidence: openEvidence().evidence };
    const context = contextWith({ web: true });
    const { observation, snapshots } = await scholarTool(parts).run({ query: ['renew locks by leases'] }, context);
    const [section] = observation.sections;
    expect(section?.hits?.[0]).toMatchObject({
      url: 'https://doi.org/10.1000/abc.1',
      published: '2024-05-17',
      providers: ['openalex', 'crossref', 'arxiv'],
      work: { year: 2024, venue: 'Journal of Locks', citations: 12, pdfUrl: 'https://arxiv.org/pdf/2405.01234' },
    });
    const same = section?.hits?.filter(({ work: known }) => known?.doi === '10.1000/abc.1');
    expect(same).toHaveLength(1);
    for (const { sha256, start, end, text } of section?.passages ?? []) {
      expect(snapshots.get(sha256)?.slice(start, end)).toBe(text);
    }
    expect(section?.passages[0]?.text).toContain('We renew locks where a <b & c> d hold.');
  });

  it('bounds what one work may say', async () => {
    const authors = Array.from({ length: 3_000 }, (_, n) => `Author ${n}`);
    const huge = entry(title, { doi: '10.1000/a', authors }, { abstract: 'words '.repeat(50_000) });
    const { observation } = await tool(providerOf('x', () => [huge], scholarly)).tool.run(
      { query: ['q'] },
      contextWith({ web: true }),
    );
    const [section] = observation.sections;
    expect(section?.passages[0]?.text).toMatch(/Author 19 and 2980 more\n/);
    expect(section?.passages[0]?.text.length).toBeLessThan(5_000);
    expect(section?.hits?.[0]?.work?.authors).toHaveLength(20);
  });

  it('is blocked in a run that may not search the web', async () => {
    const { observation } = await tool(index).tool.run({ query: ['leases'] }, contextWith({}));
    expect(observation.sections[0]?.fault?.kind).toBe('blocked');
  });

  it('refuses more queries than a call may have', async () => {
    const query = Array.from({ length: 1_000 }, (_, n) => `q${n}`);
    await expect(tool(index).tool.run({ query }, contextWith({ web: true }))).rejects.toThrow(InvalidInput);
  });
});
