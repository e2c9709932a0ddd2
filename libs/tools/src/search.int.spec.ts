import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Aborted, InvalidInput } from '#errors';
import { atEnd, serve } from '../../../test/support/web-servers.ts';
import { Corpora } from './corpus/corpora.ts';
import { ProviderFault, type SearchProvider } from './providers/provider.ts';
import { searxng } from './providers/searxng.ts';
import { searchTool } from './search.ts';
import { contextWith } from './testing/context.contract.ts';
import { doorTo, hit, openEvidence, openPace, providerOf } from './testing/web-search.contract.ts';

describe('search', () => {
  let base: string;
  let corpora: Corpora;
  let id: string;

  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), 'argosy-search-'));
    await writeFile(join(base, 'locks.md'), '# Locks\n\nA worker renews its lock until the job ends.\n');
    await writeFile(join(base, 'retries.md'), '# Retries\n\nA failed job is tried again after a backoff.\n');
    corpora = await Corpora.open(join(base, '.index'));
    id = (await corpora.sync(base)).id;
  });
  afterAll(async () => {
    await corpora.close();
    await rm(base, { recursive: true });
  });

  it('answers each query in its own section, with sources and the texts that passages point into', async () => {
    const query = ['who renews the lock', 'backoff of a failed job'];
    const { observation, snapshots } = await searchTool(corpora, null).run({ query }, contextWith({ corpora: [id] }));
    expect(observation.sections.map((s) => s.label)).toEqual(query);
    expect(observation.sections[0]?.passages[0]?.text).toContain('renews its lock');
    for (const passage of observation.sections.flatMap((s) => s.passages)) {
      expect(snapshots.get(passage.sha256)?.slice(passage.start, passage.end)).toBe(passage.text);
      expect(observation.sources.map((s) => s.sha256)).toContain(passage.sha256);
    }
  });

  it('tells a query that found nothing from one that did', async () => {
    const args = { query: ['zebra', 'lock'] };
    const { observation } = await searchTool(corpora, null).run(args, contextWith({ corpora: [id] }));
    expect(observation.sections.map((s) => s.fault?.kind)).toEqual(['empty', undefined]);
  });

  it('is blocked when the run has nothing to search', async () => {
    const { observation } = await searchTool(corpora, null).run({ query: ['lock'] }, contextWith({}));
    expect(observation.sections[0]?.fault).toMatchObject({ kind: 'blocked', message: expect.stringMatching(/web/) });
  });

  it('reports a corpus that is gone as a fault of the query', async () => {
    const context = contextWith({ corpora: ['c_0123456789abcdef'] });
    const { observation } = await searchTool(corpora, null).run({ query: ['lock'] }, context);
    expect(observation.sections[0]?.fault?.kind).toBe('invalid');
  });

  describe('on the web', () => {
    const searching = (...providers: readonly SearchProvider[]) => {
      const { evidence, made } = openEvidence();
      const { pace, log } = openPace();
      const door = { fetch: async () => await Promise.reject(new Error('no provider here fetches')) };
      return { tool: searchTool(corpora, { providers, door, pace, evidence }), log, made };
    };
    const found = providerOf('wiki', ({ query }) => [hit(`https://wiki.example/${encodeURIComponent(query)}`)]);
    const down = providerOf('paper', () => Promise.reject(new ProviderFault('transient', 'paper is down.')));

    it('names pages to visit beside passages of documents, and quotes nothing of them', async () => {
      const args = { query: ['lock', 'zebra'] };
      const { observation } = await searching(found, down).tool.run(args, contextWith({ corpora: [id], web: true }));
      const [lock, zebra] = observation.sections;
      expect(lock?.hits).toEqual([expect.objectContaining({ url: 'https://wiki.example/lock', providers: ['wiki'] })]);
      expect(lock?.passages[0]?.text).toContain('renews its lock');
      expect(zebra).toMatchObject({ passages: [], hits: [{ url: 'https://wiki.example/zebra' }] });
      expect(observation.attributions).toEqual({
        [zebra?.hits?.[0]?.providers[0] ?? '']: expect.stringMatching(/^By /),
      });
      expect(zebra).not.toHaveProperty('fault');
      expect(observation.sources.map(({ uri }) => uri)).toEqual([
        expect.stringMatching(/^corpus:/),
        expect.stringMatching(/^corpus:/),
      ]);
    });

    it('tells of a provider that is down only where nothing else was found', async () => {
      const args = { query: ['lock', 'zebra'] };
      const { observation } = await searching(down).tool.run(args, contextWith({ corpora: [id], web: true }));
      expect(observation.sections.map(({ fault }) => fault)).toEqual([
        undefined,
        { kind: 'transient', message: 'paper is down.' },
      ]);
    });

    it('asks nobody for a run that may not search the web, and only whom the run names', async () => {
      const { tool, log } = searching(found, down);
      await tool.run({ query: ['lock'] }, contextWith({ corpora: [id], providers: ['wiki'] }));
      expect(log).toEqual([]);
      await tool.run({ query: ['lock'] }, contextWith({ web: true, providers: ['wiki'] }));
      expect(log).toEqual(['turn search:wiki', 'done search:wiki']);
    });

    it('keeps what was asked beside private documents within the tenant', async () => {
      const { tool, made } = searching(found);
      for (const corpora of [[id], []]) await tool.run({ query: ['lock'] }, contextWith({ corpora, web: true }));
      expect(made.map((name) => name.slice(0, 22))).toEqual(['["local","search:wiki:', '[null,"search:wiki:[[\\']);
    });

    it('is blocked where the run names providers that are not there', async () => {
      const context = contextWith({ web: true, providers: ['brave'] });
      const { observation } = await searching(found).tool.run({ query: ['lock'] }, context);
      expect(observation.sections[0]?.fault).toMatchObject({
        kind: 'blocked',
        message: expect.stringMatching(/brave/),
      });
    });

    it('is not held up, misled or brought down by providers that misbehave', async () => {
      const bomb = gzipSync(' '.repeat(90_000_000));
      const inner = await serve((_, response) => response.end('{"results":[]}'));
      const answers: Readonly<Record<string, RequestListener>> = {
        silent: () => undefined,
        dripping: (_, response) => void response.writeHead(200).write('{"results":['),
        page: (_, response) => response.end('<!doctype html><h1>Just a moment</h1>'),
        huge: (_, response) => response.end(`{"results":[],"more":"${'x'.repeat(10_000_000)}"}`),
        bomb: (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
        other: (_, response) => response.end('{"results":{"a":1}}'),
        inward: (_, response) => response.writeHead(302, { location: `${inner.at}/secret` }).end(),
        broken: (request) => void request.socket.destroy(),
      };
      const sites = await Promise.all(
        Object.entries(answers).map(async ([name, answer]) => ({ name, ...(await serve(answer)) })),
      );
      const twice = [
        { url: 'HTTPS://A.example:443/x?utm_source=s', title: 'A' },
        { url: 'https://b.example/', title: 'B' },
      ];
      const good = await serve((_, response) => response.end(JSON.stringify({ results: [...twice, ...twice] })));
      const door = doorTo(good.port, ...sites.map(({ port }) => port));
      atEnd(() => door.close());
      const bad = sites.map(({ name, at }): SearchProvider => ({ ...searxng(at), name, field: 'encyclopedic' }));
      const providers = [...bad, searxng(good.at)];
      const web = { providers, door, pace: openPace().pace, evidence: openEvidence().evidence };
      const tool = searchTool(corpora, { ...web, limits: { graceMs: 1 } });
      const { observation } = await tool.run({ query: ['lock'] }, contextWith({ web: true }));
      expect(observation.sections[0]?.hits?.map(({ url, providers: by }) => [url, by])).toEqual([
        ['https://a.example/x', ['searxng']],
        ['https://b.example/', ['searxng']],
      ]);
      expect(inner.seen).toEqual([]);
      const alone = searchTool(corpora, { ...web, providers: bad, limits: { totalMs: 1_000 } });
      const { observation: nothing } = await alone.run({ query: ['lock'] }, contextWith({ web: true }));
      expect(nothing.sections[0]?.fault?.kind).toBe('transient');
    });

    it('sends words of any script well-formed, and tells the language that a script tells', async () => {
      const sent: (string | undefined)[][] = [];
      const ear = providerOf('ear', ({ query, language }) => {
        sent.push([query, language]);
        return [];
      });
      const query = ['half \ud800 a\u202e pair\n\n', '気 は なに', 'what does 気 mean'];
      const { observation } = await searching(ear).tool.run({ query }, contextWith({ web: true }));
      expect(sent).toEqual([
        ['half \ufffd a pair', undefined],
        ['気 は なに', 'ja'],
        ['what does 気 mean', undefined],
      ]);
      expect(observation.sections.map(({ fault }) => fault?.kind)).toEqual(['empty', 'empty', 'empty']);
    });
  });

  it.each([[Array.from({ length: 1_000 }, (_, n) => `q${n}`)], [['x'.repeat(100 * 1_024)]]])(
    'refuses too many or too long queries',
    async (query) => {
      await expect(searchTool(corpora, null).run({ query }, contextWith({ web: true }))).rejects.toThrow(InvalidInput);
    },
  );

  it.each([{}, { query: [] }, { query: ['a', 'b', 'c', 'd', 'e', 'f'] }, { query: [7] }, { query: ['  '] }])(
    'refuses the arguments %j',
    async (args) => {
      await expect(searchTool(corpora, null).run(args, contextWith({ corpora: [id] }))).rejects.toThrow(InvalidInput);
    },
  );

  it('stops when its signal fires', async () => {
    const context = { ...contextWith({ corpora: [id] }), signal: AbortSignal.abort() };
    await expect(searchTool(corpora, null).run({ query: ['lock'] }, context)).rejects.toThrow(Aborted);
  });
});
