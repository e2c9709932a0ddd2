import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { acceptedResource, runResource } from '#contracts';
import { InvalidInput } from '#errors';
import { readConfig } from '#platform';
import { useStore } from '../../../test/support/embedded.ts';
import { Client, Refused } from './client.ts';
import { Embedded } from './embedded.ts';
import { silentProgress } from './progress.ts';
import { secrets } from './secrets.ts';

const canary = 'canary-5c1d';

/** Answers as Brave does, with one page of its own, to whoever has a key. */
async function startBrave() {
  const keys: unknown[] = [];
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/ferry')) {
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end('<main><h1>Ferry</h1><p>The ferry of Halloway leaves every ninety minutes.</p></main>');
      return;
    }
    if (!request.url?.startsWith('/res/')) {
      response.writeHead(404).end();
      return;
    }
    keys.push(request.headers['x-subscription-token']);
    const results = [
      { url: `http://${request.headers.host}/ferry`, title: 'Ferry', description: 'Times.', page_age: null },
    ];
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ type: 'search', web: { results } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  // A TCP server's address is never a pipe name.
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, keys, close };
}

const stack = useStore(async (folder) => {
  const brave = await startBrave();
  const config = readConfig({
    ...{ ARGOSY_DATA_DIR: folder, ARGOSY_LOG_LEVEL: 'debug', ARGOSY_BROWSER: 'off' },
    ARGOSY_SECRETS_KEY: randomBytes(32).toString('base64'),
    ...{ ARGOSY_SEARCH_PROVIDERS: `brave=http://${brave.host}`, ARGOSY_OWN_KEYS: 'brave' },
    ARGOSY_EGRESS_ALLOW: brave.host,
  });
  const log: string[] = [];
  const server = await Embedded.start({ config, port: 0, model: null, writeLog: (line) => log.push(line) });
  const close = async (): Promise<void> => {
    await server.stop();
    await brave.close();
  };
  return { url: server.url, brave, log, close };
});

/** The report of a run that may search the web. */
async function research(question: string) {
  const { url } = stack();
  const body = JSON.stringify({ question, sources: { web: true } });
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
  const { id } = acceptedResource.parse(await (await fetch(new URL('/v1/research', url), init)).json());
  // Ends with the run.
  await (await fetch(new URL(`/v1/research/${id}/events`, url))).text();
  return runResource.parse(await (await fetch(new URL(`/v1/research/${id}`, url))).json()).report;
}

/** What a command prints. */
async function run(line: string, stdin: readonly string[] = []): Promise<string> {
  let printed = '';
  const print = (text: string): void => {
    printed += text;
  };
  const terminal = { progress: silentProgress, print, interrupted: new AbortController().signal };
  const server = async () => ({ client: new Client(stack().url), close: async () => undefined });
  expect(await secrets(line.split(' '), server, Readable.from(stdin), terminal)).toBe(0);
  return printed;
}

describe('argosy secrets', () => {
  it('sets a secret from standard input, lists it, and deletes it', async () => {
    const set = await run('set search.brave', [canary.slice(0, 4), `${canary.slice(4)}\n`]);
    expect(set).toMatch(/^search\.brave {2}[0-9a-f]{16} {2}set \d{4}-\S+Z {2}never used\n$/);
    expect(await run('list')).toBe(set);
    expect(await run('delete search.brave')).toBe('');
    expect(await run('list')).toBe('');
    expect(stack().log.filter((line) => line.includes(canary))).toEqual([]);
  });

  it.each([
    ['', /^secrets: say set NAME \(the secret comes from standard input\), list or delete NAME$/],
    ['set', /^secrets: say set/],
    [`set search.brave ${canary}`, /^secrets: say set/],
    ['list search.brave', /^secrets: say set/],
    ['show search.brave', /^secrets: say set/],
    ['set search.brave', /^standard input: is empty/],
  ])('refuses "%s" and repeats nothing', async (line, words) => {
    const told = await run(line).then(String, (error: unknown) => {
      expect(error).toBeInstanceOf(InvalidInput);
      return (error as InvalidInput).message;
    });
    expect(told).toMatch(words);
    expect(told).not.toContain(canary);
  });

  it('refuses more than any secret has', async () => {
    await expect(run('set search.brave', ['x'.repeat(65_537)])).rejects.toThrow(/^standard input: has more than 65536/);
  });

  it('sets what the next run asks with, and deletes what no later one has', async () => {
    const { brave, log } = stack();
    await run('set search.brave', [canary]);
    const report = await research('How often does the ferry of Halloway leave?');
    expect(report).toMatchObject({ status: 'completed', attributions: [{ provider: 'brave' }] });
    expect(new Set(brave.keys)).toEqual(new Set([canary]));
    expect(await run('list')).toMatch(/^search\.brave .* used \d{4}-\S+Z\n$/);
    await run('delete search.brave');
    const before = brave.keys.length;
    expect(await research('Where is Halloway?')).toMatchObject({
      status: 'failed',
      degraded: expect.arrayContaining(['no_web_search']),
    });
    expect(brave.keys).toHaveLength(before);
    expect(log.filter((line) => line.includes(canary))).toEqual([]);
  });

  it('passes on what the server refuses', async () => {
    await expect(run('set search.google', ['x'])).rejects.toThrow(/known are search\.brave, search\.tavily/);
    await expect(run('delete search.brave')).rejects.toThrow(Refused);
  });
});
