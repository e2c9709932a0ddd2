import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { SourcePolicy } from '#domain';
import { Egress, parseAllow } from '#egress';
import { Aborted, InvalidInput } from '#errors';
import { Corpora } from './corpus/corpora.ts';
import { Pages } from './pages.ts';
import { MemoryEvidence, OpenPace } from './testing/commons.contract.ts';
import { contextWith } from './testing/context.contract.ts';
import { smallPdf } from './testing/pdf.contract.ts';
import { Extraction } from './text/extraction.ts';
import { visitTool } from './visit.ts';

const filler = (n: number) => `<h2>Part ${n}</h2><p>${`Part ${n} speaks of something else entirely. `.repeat(12)}</p>`;
const long = `<html><head><title>Long</title></head><body><h1>Long</h1>${Array.from({ length: 30 }, (_, n) => filler(n)).join('')}
<h2>Locks</h2><p>${'The lock lasts thirty seconds and is renewed. '.repeat(8)}</p>${filler(31)}</body></html>`;

/** Paths that were asked for. */
const asked: (string | undefined)[] = [];

const site: RequestListener = (request, response) => {
  asked.push(request.url);
  const send = (status: number, headers: Record<string, string>, body: string | Uint8Array = '') => {
    response.writeHead(status, headers).end(body);
  };
  switch (request.url) {
    case '/page':
      return send(200, { 'content-type': 'text/html; charset=utf-8' }, long);
    case '/latin':
      return send(
        200,
        { 'content-type': 'text/html; charset=iso-8859-1' },
        Buffer.from('<p>Caf\xe9 lock</p>', 'latin1'),
      );
    case '/paper':
      return send(200, { 'content-type': 'application/octet-stream' }, smallPdf(['About locks']));
    case '/book.pdf':
      return send(
        200,
        { 'content-type': 'application/pdf' },
        smallPdf(Array.from({ length: 201 }, (_, n) => `Leaf ${n}.`)),
      );
    case '/data.json':
      return send(200, { 'content-type': 'application/json' }, '{"lock": 30}');
    case '/picture':
      return send(200, { 'content-type': 'image/png' }, 'x');
    case '/broken':
      return send(200, { 'content-type': 'text/html' }, '<html lang="');
    case '/busy':
      return send(429, { 'retry-after': '9' });
    case '/never':
      return;
    case '/moved':
      return send(302, { location: '/page' });
    default:
      return send(404, { 'content-type': 'text/html' }, 'no');
  }
};

describe('visit', () => {
  let base: string;
  let corpora: Corpora;
  let server: Server;
  let origin: string;
  let corpus: string;
  let egress: Egress;
  const extraction = new Extraction({ threads: 1 });

  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), 'argosy-visit-'));
    await writeFile(join(base, 'locks.md'), '# Locks\n\nA worker renews its lock.\n');
    corpora = await Corpora.open(join(base, '.index'));
    corpus = (await corpora.sync(join(base, 'locks.md'))).id;
    server = createServer(site);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    origin = `http://127.0.0.1:${port}`;
    egress = new Egress({ userAgent: 'argosy-test', allow: parseAllow(`127.0.0.1:${port}`) });
  });
  afterAll(async () => {
    await Promise.all([corpora.close(), extraction.close(), egress.close()]);
    server.closeAllConnections();
    server.close();
    await rm(base, { recursive: true });
  });

  const pagesWith = (evidence = new MemoryEvidence()) => {
    const pace = new OpenPace();
    return new Pages({ egress, extraction, pace, evidence, product: 'Argosy', browser: null, unhurried: () => true });
  };
  const visit = (url: string[], policy: Partial<SourcePolicy> = { web: true }, pages = pagesWith()) => {
    const tool = visitTool({ corpora, extraction, pages });
    return tool.run({ url, goal: 'How long does the lock last?' }, contextWith(policy));
  };

  it('returns the passages of a page that fit the goal, in page order, and the snapshot they point into', async () => {
    const { observation, snapshots } = await visit([`${origin}/page`]);
    const passages = observation.sections[0]?.passages ?? [];
    expect(passages.length).toBeLessThanOrEqual(8);
    expect(passages.map((p) => p.start)).toEqual(passages.map((p) => p.start).sort((a, b) => a - b));
    const best = passages.toSorted((a, b) => b.score - a.score)[0];
    expect(best?.text).toContain('lock lasts thirty seconds');
    expect(best?.headings).toEqual(['Locks']);
    for (const p of passages) expect(snapshots.get(p.sha256)?.slice(p.start, p.end)).toBe(p.text);
    expect(observation.sources).toMatchObject([
      { uri: `${origin}/page`, title: 'Long', fetchedAt: '2026-01-02T03:04:05.000Z' },
    ]);
  });

  it.each([
    ['/latin', 'Café lock'],
    ['/paper', 'About locks'],
    ['/data.json', '{"lock": 30}'],
  ])('reads %s by its type', async (path, text) => {
    const { observation } = await visit([origin + path]);
    expect(observation.sections[0]).toMatchObject({ passages: [{ text }] });
  });

  it('reads the first pages of a PDF that is too long, and says so', async () => {
    const { observation, snapshots } = await visit([`${origin}/book.pdf`]);
    expect(observation.sources[0]?.title).toBe('book.pdf (the first 200 of 201 pages)');
    const pages = [...snapshots.values()].join().split('\f');
    expect([pages.length, pages.at(-1)?.trim()]).toEqual([200, 'Leaf 199.']);
  });

  it('names the address that a redirect led to', async () => {
    const { observation } = await visit([`${origin}/moved`]);
    expect(observation.sections[0]?.label).toBe(`${origin}/moved`);
    expect(observation.sources[0]?.uri).toBe(`${origin}/page`);
  });

  it('gives each address its own fault and the others their passages', async () => {
    const urls = [`${origin}/gone`, `${origin}/busy`, `${origin}/picture`, 'ftp://a.example/', `${origin}/data.json`];
    const { observation } = await visit(urls);
    expect(observation.sections.map((s) => s.fault?.kind)).toEqual([
      'invalid',
      'quota',
      'invalid',
      'invalid',
      undefined,
    ]);
    expect(observation.sections[0]?.fault?.message).toContain('404');
    expect(observation.sections[1]?.fault?.retryAfterMs).toBe(9_000);
    expect(observation.sources).toHaveLength(1);
  });

  it('keeps the other pages of a call when no parser can read one', async () => {
    const { observation } = await visit([`${origin}/broken`, `${origin}/data.json`]);
    expect(observation.sections[0]?.fault).toEqual({
      kind: 'invalid',
      message: expect.stringMatching(/the HTML is so broken/),
    });
    expect(observation.sections[1]?.passages[0]?.text).toContain('"lock": 30');
  });

  it('waits for no page longer than the call may take, and keeps the others', async () => {
    const tool = visitTool({ corpora, extraction, pages: pagesWith(), totalMs: 2_000 });
    const url = [`${origin}/never`, `${origin}/data.json`];
    const { observation, snapshots } = await tool.run({ url, goal: 'lock' }, contextWith({ web: true }));
    expect(observation.sections).toMatchObject([
      { label: url[0], passages: [], fault: { kind: 'transient' } },
      { label: url[1], passages: [{ text: '{"lock": 30}' }] },
    ]);
    expect(snapshots.size).toBe(1);
  });

  it('stops with its caller, however many pages are under way', async () => {
    const caller = new AbortController();
    const tool = visitTool({ corpora, extraction, pages: pagesWith() });
    const context = { ...contextWith({ web: true }), signal: caller.signal };
    const called = tool.run({ url: [`${origin}/never`, `${origin}/page`], goal: 'lock' }, context);
    caller.abort();
    await expect(called).rejects.toThrow(Aborted);
  });

  it('asks for no page that the run may not visit', async () => {
    const named = { web: false, urls: [`${origin}/page`] };
    const { observation } = await visit([`${origin}/page`, `${origin}/data.json`], named);
    expect(observation.sections.map((s) => s.fault?.kind)).toEqual([undefined, 'blocked']);
  });

  it('opens no address that the model of a run with documents made up, whatever else is in the call', async () => {
    const tool = visitTool({ corpora, extraction, pages: pagesWith() });
    const context = { ...contextWith({ corpora: [corpus], web: true }), opens: [`${origin}/data.json`] };
    const url = [`${origin}/page?words=secret`, `${origin}/data.json`, 'corpus:locks.md/locks.md'];
    const { observation } = await tool.run({ url, goal: 'lock' }, context);
    expect(observation.sections.map(({ fault }) => fault?.kind)).toEqual(['blocked', undefined, undefined]);
    expect(observation.sections[0]?.fault?.message).toMatch(/^This run has documents of its own/);
    expect(asked).not.toContain('/page?words=secret');
  });

  it('reports what egress forbids as blocked', async () => {
    const { observation } = await visit(['http://127.0.0.1:1/', 'http://169.254.169.254/latest']);
    expect(observation.sections.map((s) => s.fault?.kind)).toEqual(['blocked', 'blocked']);
  });

  it('reads a document of the run, and none of a corpus that the run has not', async () => {
    const uri = 'corpus:locks.md/locks.md';
    const { observation, snapshots } = await visit([uri], { corpora: [corpus] });
    expect(observation.sections[0]?.passages[0]?.text).toContain('renews its lock');
    expect([...snapshots.keys()]).toEqual(observation.sources.map((s) => s.sha256));
    const other = await visit([uri], { web: true });
    expect(other.observation.sections[0]?.fault?.kind).toBe('invalid');
  });

  it('refuses a call without a goal', async () => {
    const call = visitTool({ corpora, extraction, pages: null }).run({ url: [origin] }, contextWith({}));
    await expect(call).rejects.toThrow(InvalidInput);
  });
});
