import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { InvalidInput, NotFound } from '#errors';
import { readConfig } from '#platform';
import { type FreshDatabase, freshDatabase } from '../../../test/support/servers.ts';
import { silentProgress } from './progress.ts';
import { tenants } from './tenants.ts';

let fresh: FreshDatabase;
beforeAll(async () => {
  fresh = await freshDatabase();
});
afterAll(async () => await fresh.drop());

/** What a command prints. */
async function run(line: string, env: Record<string, string> = { ARGOSY_DATABASE_URL: fresh.url }): Promise<unknown> {
  let printed = '';
  const print = (text: string): void => {
    printed += text;
  };
  const terminal = { progress: silentProgress, print, interrupted: new AbortController().signal };
  const config = readConfig({ ARGOSY_REDIS_URL: 'redis://127.0.0.1:1', ...env });
  expect(await tenants(line.split(' '), config, terminal)).toBe(0);
  return JSON.parse(printed);
}

describe('argosy tenants', () => {
  it('makes a tenant, shows it, and changes what is named', async () => {
    const made = await run('create acme --name Acme --retention-days 30 --providers searxng,arxiv');
    expect(made).toMatchObject({
      tenantId: 'acme',
      name: 'Acme',
      settings: { retention_days: 30, providers: ['searxng', 'arxiv'], limits: { usd_per_day: null } },
    });
    await run('set acme --usd-per-day 2.5 --concurrent-runs 10 --providers all');
    const limits = { usd_per_day: 2.5, concurrent_runs: 10, tokens_per_day: null };
    expect(await run('show acme')).toMatchObject({ settings: { retention_days: 30, providers: null, limits } });
    await run('set acme --retention-days none --providers none --trace-content on');
    const settings = { retention_days: null, providers: [], trace_content: true };
    expect(await run('show acme')).toMatchObject({ settings });
    await run('set acme --trace-content off');
    expect(await run('show acme')).toMatchObject({ settings: { ...settings, trace_content: false } });
  });

  it.each([
    ['', /^tenants: say create ID, show ID or set ID$/],
    ['show', /^tenants: say create/],
    ['drop acme', /^tenants: say create/],
    ['set acme --retention-days soon', /^--retention-days: needs a number, or none/],
    ['set acme --trace-content yes', /^--trace-content: needs on or off/],
    ['create Acme', /^tenantId: is no id/],
    ['create b --retention-days 0', /^retention_days: /],
    ['set acme --colour red', /Known here: .*--retention-days/],
  ])('refuses "%s" and says what to do', async (line, words) => {
    await expect(run(line)).rejects.toThrow(InvalidInput);
    await expect(run(line)).rejects.toThrow(words);
  });

  it('names a tenant that is not there, and the setting that it needs', async () => {
    await expect(run('show nobody')).rejects.toThrow(NotFound);
    await expect(run('show acme', {})).rejects.toThrow(/^ARGOSY_DATABASE_URL: is required/);
  });
});
