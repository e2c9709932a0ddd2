import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { InvalidInput, Unavailable } from '#errors';
import { readConfig } from '#platform';
import { type FreshDatabase, freshDatabase } from '../../../test/support/servers.ts';
import { migrate } from './migrate.ts';
import { silentProgress } from './progress.ts';

let fresh: FreshDatabase;
beforeAll(async () => {
  fresh = await freshDatabase();
});
afterAll(async () => await fresh.drop());

/** Nobody listens there. */
const nowhere = 'postgres://argosy@127.0.0.1:1/argosy';

interface Around {
  readonly url?: string;
  readonly interrupted?: AbortSignal;
  readonly note?: (text: string) => void;
}

async function run(line: string, { url = fresh.url, interrupted, note }: Around = {}): Promise<string> {
  let printed = '';
  const print = (text: string): void => {
    printed += text;
  };
  const progress = { ...silentProgress, ...(note === undefined ? {} : { note }) };
  const terminal = { progress, print, interrupted: interrupted ?? new AbortController().signal };
  const args = line.split(' ').filter((word) => word !== '');
  expect(await migrate(args, readConfig({ ARGOSY_DATABASE_URL: url }), terminal)).toBe(0);
  return printed;
}

describe('argosy migrate', () => {
  it('brings a new database up to date, and finds it so afterwards', async () => {
    expect(await run('')).toMatch(/^The schema went from version 0 to \d+\.\n$/);
    expect(await run('--wait-seconds 5')).toMatch(/^The schema is at version \d+ already\.\n$/);
  });

  it.each([
    ['now', /^migrate: takes --wait-seconds N alone/],
    ['--wait-seconds soon', /^--wait-seconds: needs a number from 0 to 3600/],
    ['--wait-seconds 3601', /^--wait-seconds: needs a number/],
    ['--force', /Known here: .*--wait-seconds/],
  ])('refuses "%s" and says what to do', async (line, words) => {
    await expect(run(line)).rejects.toThrow(InvalidInput);
    await expect(run(line)).rejects.toThrow(words);
  });

  it('tries again while the database is away, until it is told to stop', async () => {
    const stop = new AbortController();
    const said: string[] = [];
    const note = (text: string): void => {
      said.push(text);
      stop.abort();
    };
    const waiting = run('--wait-seconds 600', { url: nowhere, interrupted: stop.signal, note });
    await expect(waiting).rejects.toThrow(Unavailable);
    expect(said).toEqual([expect.stringMatching(/^PostgreSQL at 127\.0\.0\.1:1.* Trying again\.$/)]);
  }, 90_000);
});
