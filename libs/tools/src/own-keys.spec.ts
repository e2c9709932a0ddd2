import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ArgosyError, Unavailable } from '#errors';
import { readConfig } from '#platform';
import type { SecretReader } from './own-keys.ts';
import { searchProviders } from './providers/chosen.ts';
import type { OwnKey } from './providers/provider.ts';
import { ProviderFault, type SearchProvider } from './providers/provider.ts';
import { type Answer, askProviders, type SearchParts } from './search-ask.ts';
import { doorTo, hit, openEvidence, openPace, providerOf, queryOf } from './testing/web-search.contract.ts';

class Unopenable extends ArgosyError {
  override readonly name = 'Unopenable';
  readonly code = 'unopenable';
  readonly retryable = false;
}

/** A provider that says which key it was asked with. */
function keyed(name: string, only = false): SearchProvider & { readonly own: OwnKey } {
  const asked = (key: string) => providerOf(name, () => [hit(`https://${key}.example/`)], { field: 'web' });
  return { ...asked('everyones'), own: { secret: `search.${name}`, only, with: asked } };
}

function around(providers: readonly SearchProvider[], secrets: SecretReader, more: Partial<SearchParts> = {}) {
  const { pace, log } = openPace();
  const { evidence, made } = openEvidence();
  const door = { fetch: async () => await Promise.reject(new Error('no provider here fetches')) };
  const told: string[] = [];
  const onRefusal = (provider: string, message: string) => void told.push(`${provider}: ${message}`);
  const parts: SearchParts = { providers, door, pace, evidence, secrets, onRefusal, ...more };
  const ask = async (tenantId: string, isPrivate = false, query = queryOf('lock')) =>
    await askProviders(parts, providers, { ...query, tenantId, isPrivate });
  return { ask, log, made, told };
}

const keysOf = (keys: Readonly<Record<string, string>>): SecretReader => ({
  read: async (tenantId, name) => keys[`${tenantId} ${name}`] ?? null,
});
const urlsIn = (answers: readonly Answer[]) => answers.flatMap(({ hits }) => hits.map(({ url }) => url));

describe('a tenant with a key of its own', () => {
  const secrets = keysOf({ 'acme search.a': 'theirs' });

  it('has its runs ask with it, and all others with the one that is for everyone', async () => {
    const { ask } = around([keyed('a')], secrets);
    expect(urlsIn(await ask('acme'))).toEqual(['https://theirs.example/']);
    expect(urlsIn(await ask('other'))).toEqual(['https://everyones.example/']);
  });

  it('shares what it bought with nobody, nor the pace', async () => {
    const { ask, made, log } = around([keyed('a')], secrets);
    for (const tenant of ['acme', 'other', 'third', 'acme']) await ask(tenant);
    expect(made.map((name) => (JSON.parse(name) as [string | null])[0])).toEqual(['acme', null]);
    expect(log.filter((line) => line.startsWith('turn'))).toEqual(['turn search:a:acme', 'turn search:a']);
  });

  it('leaves answers to words of its own where they were', async () => {
    const { ask, made } = around([keyed('a')], secrets);
    for (const tenant of ['acme', 'other']) await ask(tenant, true);
    expect(made.map((name) => (JSON.parse(name) as [string | null])[0])).toEqual(['acme', 'other']);
  });

  it('is the only one who waits when its plan is spent', async () => {
    const spent = keyed('a');
    const own = {
      ...spent.own,
      with: () => providerOf('a', () => Promise.reject(new ProviderFault('quota', 'x', 7_000)), { field: 'web' }),
    };
    const { ask, log } = around([{ ...spent, own }], secrets);
    await ask('acme');
    expect(log).toContain('rest search:a:acme 7000');
    expect(urlsIn(await ask('other'))).toEqual(['https://everyones.example/']);
  });

  it('is asked with what the key is when its turn has come', async () => {
    const keys: Record<string, string> = { 'acme search.a': 'before' };
    const pace = openPace().pace;
    const changing = (to: string | null): SearchParts['pace'] => ({
      ...pace,
      turn: async (...turn) => {
        if (to === null) delete keys['acme search.a'];
        else keys['acme search.a'] = to;
        return await pace.turn(...turn);
      },
    });
    const changed = around([keyed('a')], keysOf(keys), { pace: changing('after') });
    expect(urlsIn(await changed.ask('acme'))).toEqual(['https://after.example/']);
    const deleted = around([keyed('a')], keysOf(keys), { pace: changing(null) });
    expect(await deleted.ask('acme')).toMatchObject([{ hits: [], fault: { kind: 'transient' } }]);
  });

  it('is not paid for by anybody else when its key cannot be opened, and the operator is told', async () => {
    const read = async () => await Promise.reject(new Unopenable('The key k1 is missing.'));
    const { ask, told, made } = around([keyed('a'), keyed('b')], { read });
    const answers = await ask('acme');
    expect(answers.map(({ hits, fault }) => [hits.length, fault?.kind, fault?.message])).toEqual([
      [0, 'blocked', "The key of this run's tenant for a cannot be opened; the operator's log says why."],
      [0, 'blocked', "The key of this run's tenant for b cannot be opened; the operator's log says why."],
    ]);
    expect(told).toEqual(['a: The key k1 is missing.', 'b: The key k1 is missing.']);
    expect(made).toEqual([]);
  });

  it('is told of a fault that ends by itself where nobody can say whether it has one', async () => {
    const read = async () => await Promise.reject(new Unavailable('The database is away.'));
    const { ask, made } = around([keyed('a')], { read });
    expect(await ask('acme')).toMatchObject([{ hits: [], fault: { kind: 'transient' } }]);
    expect(made).toEqual([]);
  });

  it('is not waited for longer than the query has time', async () => {
    const read = async () => await new Promise<null>(() => undefined);
    const { ask } = around([keyed('a')], { read }, { limits: { totalMs: 5 } });
    expect((await ask('acme'))[0]?.fault).toMatchObject({
      kind: 'transient',
      message: expect.stringMatching(/did not answer in the time/),
    });
  });
});

describe('a provider that is asked with keys of tenants alone', () => {
  it('says to a tenant without one what to set, and the next is asked', async () => {
    const { ask, told } = around([keyed('a', true), keyed('b')], keysOf({ 'acme search.a': 'theirs' }));
    expect(urlsIn(await ask('acme'))).toEqual(['https://theirs.example/']);
    const [a, b] = await ask('other');
    expect(a).toMatchObject({
      hits: [],
      fault: { kind: 'blocked', message: expect.stringMatching(/keys of tenants alone.*secret search\.a\.$/) },
    });
    expect(b?.hits).toHaveLength(1);
    expect(told).toEqual([]);
  });
});

describe('the providers of ARGOSY_SEARCH_PROVIDERS', () => {
  const servers: { close(): unknown }[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  /** Answers as Brave does that found nothing, or refuses. */
  async function braveServer(status = 200) {
    const seen: IncomingMessage['headers'][] = [];
    const server = createServer((request, response) => {
      seen.push(request.headers);
      response.writeHead(status, { 'content-type': 'application/json' }).end('{"type":"search"}');
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return { seen, port, setting: `brave=http://127.0.0.1:${port}` };
  }

  it('are asked with the deployment’s key and with those of tenants', async () => {
    const { seen, port, setting } = await braveServer();
    const config = readConfig({ ARGOSY_SEARCH_PROVIDERS: setting, ARGOSY_BRAVE_API_KEY: 'everyones' });
    const secrets = keysOf({ 'acme search.brave': 'theirs' });
    const { ask } = around(searchProviders(config), secrets, { door: doorTo(port) });
    for (const tenant of ['acme', 'other']) await ask(tenant);
    expect(seen.map((headers) => headers['x-subscription-token'])).toEqual(['theirs', 'everyones']);
  });

  it('need no key of the deployment where ARGOSY_OWN_KEYS names them, and never use it', async () => {
    const { seen, port, setting } = await braveServer();
    for (const key of [{}, { ARGOSY_BRAVE_API_KEY: 'everyones' }]) {
      const config = readConfig({ ARGOSY_SEARCH_PROVIDERS: setting, ARGOSY_OWN_KEYS: 'brave,exa', ...key });
      const { ask } = around(searchProviders(config), keysOf({}), { door: doorTo(port) });
      expect((await ask('other'))[0]?.fault?.kind).toBe('blocked');
    }
    expect(seen).toEqual([]);
  });

  it('that refuse a tenant’s key say which secret to look at, and not to the operator', async () => {
    const { port, setting } = await braveServer(401);
    const config = readConfig({ ARGOSY_SEARCH_PROVIDERS: setting, ARGOSY_BRAVE_API_KEY: 'everyones' });
    const { ask, told } = around(searchProviders(config), keysOf({ 'acme search.brave': 'theirs' }), {
      door: doorTo(port),
    });
    const [theirs] = await ask('acme');
    expect(theirs?.fault?.message).toBe(
      'brave answered 401: it refuses us. Check the secret search.brave and its plan.',
    );
    expect(told).toEqual([]);
    await ask('other');
    expect(told).toEqual(['brave: brave answered 401: it refuses us. Check ARGOSY_BRAVE_API_KEY and its plan.']);
  });
});
