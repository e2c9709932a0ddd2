import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { readConfig } from '#platform';
import { audit, keys } from './keys.ts';
import { silentProgress } from './progress.ts';

const terminal = { progress: silentProgress, print: () => undefined, interrupted: new AbortController().signal };
const run = async (args: string, env: Record<string, string> = {}): Promise<number> =>
  await keys(args.split(' '), readConfig(env), async () => null, terminal);

describe('argosy keys', () => {
  it.each([
    ['', /^keys: say create --name NAME, list or revoke ID$/],
    ['revoke', /^keys: say create/],
    ['list all', /^keys: say create/],
    ['create', /^name: /],
    ['create --name x --scope root', /^scopes\.0: /],
    ['create --name x --expires soon', /^expires_at: /],
    ['create --name x --expires 0d', /^expires_at: lies in the past$/],
    ['create --name x --colour red', /Known here: .*--scope/],
    ['list', /^keys: there is no server to ask: set ARGOSY_URL and ARGOSY_API_KEY, or name a --tenant/],
    ['list --tenant ../etc', /^--tenant: needs 1 to 63 of/],
    ['list --tenant acme', /^ARGOSY_KEY_PEPPER: needs at least 32 bytes/],
  ])('refuses "%s" and says what to do', async (args, words) => {
    await expect(run(args)).rejects.toThrow(InvalidInput);
    await expect(run(args)).rejects.toThrow(words);
  });

  it('says that it needs the database to work on it', async () => {
    const env = { ARGOSY_KEY_PEPPER: '0'.repeat(64) };
    await expect(run('list --tenant acme', env)).rejects.toThrow(/^ARGOSY_DATABASE_URL: is required/);
  });
});

it.each([[''], ['verify'], ['show --tenant acme'], ['verify more --tenant acme']])(
  'argosy audit refuses "%s"',
  async (args) => {
    await expect(audit(args.split(' '), readConfig({}), terminal)).rejects.toThrow(
      /^audit: say verify --tenant TENANT/,
    );
  },
);
