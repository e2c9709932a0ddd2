import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Egress, parseAllow } from '#egress';
import { Unavailable } from '#errors';
import { Corpora } from './corpus/corpora.ts';
import { Pages } from './pages.ts';
import { MemoryEvidence, OpenPace } from './testing/commons.contract.ts';
import { contextWith } from './testing/context.contract.ts';
import { Extraction } from './text/extraction.ts';
import { ForOthers } from './tool.ts';
import { visitTool } from './visit.ts';

const script = '<script src="/app.js"></script>'.repeat(3);
const bare = `<!doctype html><html><head><title>App</title>${script}</head><body><div id="root"></div>${script}</body></html>`;
const plain = '<!doctype html><title>Locks</title><h1>Locks</h1><p>The lock lasts thirty seconds, and is renewed.</p>';
const shown = '<!doctype html><title>App</title><h1>App</h1><p>Made by its scripts: the lock lasts thirty seconds.</p>';

describe('pages that need a browser which other workers have', () => {
  let folder: string;
  let corpora: Corpora;
  let server: Server;
  let origin: string;
  let egress: Egress;
  const asked: (string | undefined)[] = [];
  const extraction = new Extraction({ threads: 1 });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'argosy-hand-over-'));
    corpora = await Corpora.open(folder);
    server = createServer((request, response) => {
      asked.push(request.url);
      const body = { '/app': bare, '/plain': plain }[request.url ?? ''];
      response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'text/html' }).end(body ?? 'no');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    origin = `http://127.0.0.1:${port}`;
    egress = new Egress({ userAgent: 'argosy-test', allow: parseAllow(`127.0.0.1:${port}`) });
  });
  afterAll(async () => {
    await Promise.all([corpora.close(), extraction.close(), egress.close()]);
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });

  const rendered: string[] = [];
  const chromium = {
    render: async (url: URL) => {
      rendered.push(url.pathname);
      return { html: shown, url: url.href, status: 200 };
    },
  };
  let read = 0;
  const reader = {
    count: async () => ({ tokens: 10, basis: 'counted' }),
    read: async () => {
      read += 1;
      throw new Unavailable('The model is away; its words choose.');
    },
  };

  function visits(browser: typeof chromium | 'elsewhere' | null, evidence: MemoryEvidence) {
    const parts = { egress, extraction, evidence, pace: new OpenPace(), product: 'Argosy', unhurried: () => true };
    const pages = new Pages({ ...parts, browser });
    const tool = visitTool({ corpora, extraction, pages, readings: { reader, onFault: () => undefined } });
    const reading = { model: 'm', profile: 'p', pages: 5, promptTokens: 900, replyTokens: 90 };
    const context = { ...contextWith({ web: true }), reading };
    return async (...paths: string[]) => {
      return await tool.run({ url: paths.map((path) => origin + path), goal: 'How long does a lock last?' }, context);
    };
  }

  it('make the call one for those workers, before any page of it is read by a model', async () => {
    const visit = visits('elsewhere', new MemoryEvidence());
    const refused = visit('/plain', '/app');
    await expect(refused).rejects.toThrow(ForOthers);
    await expect(refused).rejects.toMatchObject({ kind: 'browser', retryable: true });
    expect(read).toBe(0);
    await visit('/plain');
    expect(read).toBe(1);
  });

  it('are shown by a worker that has it, and then known to those that have none', async () => {
    const evidence = new MemoryEvidence();
    const elsewhere = visits('elsewhere', evidence);
    await expect(elsewhere('/app')).rejects.toThrow(ForOthers);
    const { observation } = await visits(chromium, evidence)('/app');
    expect(rendered).toEqual(['/app']);
    expect(observation.sources).toMatchObject([{ title: 'App', uri: `${origin}/app` }]);
    expect((await elsewhere('/app')).observation.sources).toEqual(observation.sources);
  });

  it('are shown, too, for a worker with a browser that waited for one without', async () => {
    const evidence = new MemoryEvidence();
    const [refused, { observation }] = await Promise.all([
      visits('elsewhere', evidence)('/app').catch((error: unknown) => error),
      visits(chromium, evidence)('/app'),
    ]);
    expect(refused).toBeInstanceOf(ForOthers);
    expect(observation.sections).toMatchObject([{ passages: [{ text: expect.stringMatching(/thirty seconds/) }] }]);
  });

  it('are a fault that says what is missing where nobody has a browser', async () => {
    const { observation } = await visits(null, new MemoryEvidence())('/app');
    expect(observation.sections[0]?.fault?.message).toMatch(/takes a browser that is not here/);
  });

  it('hold up no page that needs none', async () => {
    const { observation } = await visits('elsewhere', new MemoryEvidence())('/plain');
    expect(observation.sections).toMatchObject([{ passages: [{ text: expect.stringMatching(/thirty seconds/) }] }]);
  });
});
