import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { readConfig } from '#platform';
import { useStore } from '../../../test/support/embedded.ts';
import { Client, Refused } from './client.ts';
import { Embedded } from './embedded.ts';
import { silentProgress } from './progress.ts';
import { secrets } from './secrets.ts';

const canary = 'canary-5c1d';

const stack = useStore(async (folder) => {
  const config = readConfig({
    ARGOSY_DATA_DIR: folder,
    ARGOSY_SECRETS_KEY: randomBytes(32).toString('base64'),
    ARGOSY_SEARCH_PROVIDERS: 'none',
    ARGOSY_LOG_LEVEL: 'debug',
  });
  const log: string[] = [];
  const server = await Embedded.start({ config, port: 0, model: null, writeLog: (line) => log.push(line) });
  return { url: server.url, log, close: async () => await server.stop() };
});

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

  it('passes on what the server refuses', async () => {
    await expect(run('set search.google', ['x'])).rejects.toThrow(/known are search\.brave, search\.tavily/);
    await expect(run('delete search.brave')).rejects.toThrow(Refused);
  });
});
