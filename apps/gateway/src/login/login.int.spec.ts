import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type BegunLogin, begunLogin, errorResource, givenLogin, keyList, waysIn } from '#contracts';
import { jsonLogger } from '#platform';
import { type ApiKeys, parsePepper } from '#runs';
import { runsOn, useStore } from '../../../../test/support/embedded.ts';
import {
  type IdentityProvider,
  logInAs,
  newSigningKey,
  startIdentityProvider,
  type TokenParts,
  tokenOf,
} from '../../../../test/support/identity-provider.ts';
import { signingKey } from '../../../../test/support/sealing.ts';
import { Gateway } from '../gateway.ts';
import { Logins } from './logins.ts';
import type { OidcSettings } from './oidc-settings.ts';

const store = useStore(runsOn({ leaseMs: 60_000, relookMs: 60_000, pollMs: 50 }));
const offer = { models: new Map(), defaultModel: 'none', providers: [], knowsCorpus: () => false };
const redirectUri = 'http://127.0.0.1:9/login/callback';
const hourMs = 3_600_000;

const people = {
  ada: { org: 'acme', email: 'ada@example.com', email_verified: true, groups: ['staff', 'argosy-admins'] },
  bob: { org: 'acme', email: 'bob@example.com', email_verified: true, groups: ['staff'] },
  eve: { org: 'elsewhere', email: 'eve@example.com', email_verified: true },
};

let keys: ApiKeys;
let provider: IdentityProvider;
let gateway: Gateway;

function settingsFor({ issuer, clientId, clientSecret }: IdentityProvider): OidcSettings {
  const membership = {
    ...{ tenantId: null, tenantClaim: 'org', tenants: null },
    admin: { claim: 'groups', value: 'argosy-admins' },
    domains: ['example.com'],
  };
  const client = { issuer: new URL(issuer), clientId, clientSecret, scopes: 'openid email profile', name: 'Acme' };
  return { ...client, redirectUri, sessionMs: hourMs, membership };
}

async function gatewayFor(settings: OidcSettings): Promise<Gateway> {
  const options = { host: '127.0.0.1', port: 0, tenantId: 'local', signingKey, keys };
  const logger = jsonLogger('gateway', 'error', () => undefined);
  return await Gateway.start(store().runs, offer, { ...options, logins: new Logins(settings, keys) }, logger);
}

beforeAll(async () => {
  const times = { freshMs: 20, everyMs: 5, lapseMs: 60_000 };
  keys = store().runs.keys({ pepper: parsePepper(randomBytes(32).toString('hex')), env: 'test', times });
  await keys.ensureTenant('acme');
  provider = await startIdentityProvider({ people, redirectUri });
  gateway = await gatewayFor(settingsFor(provider));
});
afterEach(() => {
  provider.tamper = null;
  provider.away = false;
});
afterAll(async () => {
  await gateway.stop();
  await keys.close();
  await provider.close();
});

async function send(method: string, path: string, body?: unknown, key?: string): Promise<Response> {
  const headers = {
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
  };
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  return await fetch(new URL(path, gateway.url), { method, headers, ...sent });
}

async function begin(): Promise<BegunLogin> {
  return begunLogin.parse(await (await send('POST', '/v1/login')).json());
}

async function finish(ticket: BegunLogin['ticket'], query: string): Promise<Response> {
  return await send('POST', '/v1/login/finish', { ticket, query });
}

async function logIn(who: string) {
  const { address, ticket } = await begin();
  const response = await finish(ticket, await logInAs(who, address, redirectUri));
  if (!response.ok) throw new Error(await response.text());
  return givenLogin.parse(await response.json());
}

async function refusal(response: Response): Promise<[number, string, string]> {
  const { error } = errorResource.parse(await response.json());
  return [response.status, error.code, error.message];
}

describe('logging in by an identity provider', () => {
  it('gives a person a key of their tenant for some hours, and an administrator more of it', async () => {
    expect(waysIn.parse(await (await send('GET', '/v1/login')).json())).toEqual({
      key: true,
      oidc: { name: 'Acme', trouble: null },
    });
    const [ada, bob] = [await logIn('ada'), await logIn('bob')];
    expect([ada.name, ada.tenant]).toEqual(['ada@example.com', 'acme']);
    const ends = Date.parse(ada.expires_at) - Date.now();
    expect(ends > hourMs / 2 && ends <= hourMs).toBe(true);
    expect((await send('GET', '/v1/research', undefined, bob.key)).status).toBe(200);
    expect((await send('GET', '/v1/keys', undefined, bob.key)).status).toBe(403);
    const { data } = keyList.parse(await (await send('GET', '/v1/keys', undefined, ada.key)).json());
    expect(data.map(({ name, person }) => [name, person])).toEqual([
      ['bob@example.com', 'bob'],
      ['ada@example.com', 'ada'],
    ]);
  });

  it('sends the browser there with PKCE, state and nonce, and with no secret', async () => {
    const { address, ticket } = await begin();
    const asked = Object.fromEntries(new URL(address).searchParams);
    const { state, nonce } = ticket;
    expect(asked).toMatchObject({ state, nonce, response_type: 'code', code_challenge_method: 'S256' });
    expect(address).not.toContain(ticket.verifier);
    expect(address).not.toContain(provider.clientSecret);
  });

  it('ends with its person, at once where the key asks and within five seconds in all', async () => {
    const { key } = await logIn('bob');
    expect((await send('DELETE', '/v1/login', undefined, key)).status).toBe(204);
    expect((await send('GET', '/v1/research', undefined, key)).status).toBe(401);
    const made = await keys.create(
      { tenantId: 'acme', actor: 'operator' },
      { name: 'ci', scopes: ['research:read'], expiresAt: null },
    );
    expect(await refusal(await send('DELETE', '/v1/login', undefined, made.text))).toEqual([
      409,
      'invalid_state',
      'This key is no login: it is good until somebody revokes it.',
    ]);
    expect((await send('GET', '/v1/research', undefined, made.text)).status).toBe(200);
  });

  it('leaves no more than twenty logins of one person, the newest', async () => {
    const expiresAt = new Date(Date.now() + hourMs).toISOString();
    const wish = { tenantId: 'acme', person: 'cleo', name: 'cleo', scopes: ['research:read'], expiresAt };
    const first = await keys.logIn(wish);
    for (let n = 0; n < 20; n += 1) await keys.logIn(wish);
    expect((await send('GET', '/v1/research', undefined, first ?? '')).status).toBe(401);
    const live = (await keys.list('acme', null, 100)).filter(({ person }) => person === 'cleo');
    expect(live).toHaveLength(20);
  });

  it('lets nobody in whom no tenant is for, and says so', async () => {
    const { address, ticket } = await begin();
    const response = await finish(ticket, await logInAs('eve', address, redirectUri));
    expect(await refusal(response)).toEqual([
      403,
      'login_refused',
      'eve@example.com is of the tenant elsewhere, which this server does not have. Whoever runs it makes it: argosy tenants create elsewhere',
    ]);
  });

  it('passes on that the provider said no', async () => {
    const { address, ticket } = await begin();
    const response = await finish(ticket, await logInAs('nobody', address, redirectUri));
    expect(await refusal(response)).toMatchObject([
      403,
      'login_refused',
      expect.stringMatching(/^Acme let nobody in: access_denied/),
    ]);
  });
});

describe('a login that is not the one that was begun', () => {
  const hold = async (): Promise<{ ticket: BegunLogin['ticket']; query: string }> => {
    const { address, ticket } = await begin();
    return { ticket, query: await logInAs('bob', address, redirectUri) };
  };

  it.each(['state', 'nonce', 'verifier'] as const)('is refused with another %s', async (part) => {
    const { ticket, query } = await hold();
    const other = (await begin()).ticket[part];
    const response = await finish({ ...ticket, [part]: other }, query);
    expect(await refusal(response)).toMatchObject([403, 'login_refused', expect.stringMatching(/Begin again/)]);
  });

  it('is refused when its code comes a second time', async () => {
    const { ticket, query } = await hold();
    expect((await finish(ticket, query)).status).toBe(201);
    expect(await refusal(await finish(ticket, query))).toMatchObject([
      403,
      'login_refused',
      expect.stringMatching(/used already/),
    ]);
  });

  it.each([
    ['without a code', (query: string) => query.replace(/code=[^&]*&?/, '')],
    ['with two states', (query: string) => `${query}&state=other`],
    ['from another issuer', (query: string) => query.replace(/iss=[^&]*/, 'iss=https%3A%2F%2Felsewhere.example')],
  ])('is refused %s', async (_what, change) => {
    const { ticket, query } = await hold();
    expect(await refusal(await finish(ticket, change(query)))).toMatchObject([403, 'login_refused', expect.anything()]);
  });

  it.each([
    [{ ticket: {}, query: '' }],
    [{ ticket: { state: 'x', nonce: 'y', verifier: 'z' }, query: 'code=1' }],
    [{ query: 'code=1' }],
    [{}],
  ])('is no login in this form', async (body) => {
    expect((await send('POST', '/v1/login/finish', body)).status).toBe(422);
  });
});

describe('an ID token', () => {
  const other = newSigningKey();
  const seconds = (): number => Math.floor(Date.now() / 1000);
  const changed = ({ header, claims }: TokenParts, more: object): string =>
    provider.signed({ header, claims: { ...claims, ...more } });

  it.each<[string, (parts: TokenParts) => string]>([
    ['signed by another key', (parts) => tokenOf(parts, other)],
    [
      'signed by a key that nobody knows',
      ({ header, claims }) => tokenOf({ header: { ...header, kid: 'x' }, claims }, other),
    ],
    ['not signed at all', ({ claims }) => tokenOf({ header: { alg: 'none' }, claims }, null)],
    [
      'that claims to be signed by a shared secret',
      ({ header, claims }) => tokenOf({ header: { ...header, alg: 'HS256' }, claims }, other),
    ],
    ['that is over', (parts) => changed(parts, { exp: seconds() - 60, iat: seconds() - 600 })],
    ['that is not yet good', (parts) => changed(parts, { nbf: seconds() + 300 })],
    ['for somebody else', (parts) => changed(parts, { aud: 'another' })],
    ['for several, of whom another asked for it', (parts) => changed(parts, { aud: ['argosy', 'b'], azp: 'b' })],
    ['of another issuer', (parts) => changed(parts, { iss: 'https://elsewhere.example' })],
    ['of another login', (parts) => changed(parts, { nonce: 'another' })],
    ['of no login', (parts) => changed(parts, { nonce: undefined })],
  ])('%s lets nobody in', async (_what, tamper) => {
    const { address, ticket } = await begin();
    const query = await logInAs('bob', address, redirectUri);
    provider.tamper = tamper;
    const [status, code, message] = await refusal(await finish(ticket, query));
    expect([status, code]).toEqual([403, 'login_refused']);
    expect(message).toMatch(/^What Acme said of this login does not hold: /);
  });

  it('lets somebody in whose clock is a little behind', async () => {
    const { address, ticket } = await begin();
    const query = await logInAs('bob', address, redirectUri);
    provider.tamper = (parts) => changed(parts, { exp: seconds() - 5, iat: seconds() - 600 });
    expect((await finish(ticket, query)).status).toBe(201);
  });
});

describe('an identity provider', () => {
  it('that is away is told as that, and keys go on', async () => {
    const away = { ...settingsFor(provider), issuer: new URL('http://127.0.0.1:1') };
    const cut = await gatewayFor(away);
    const ways = waysIn.parse(await (await fetch(`${cut.url}/v1/login`)).json());
    expect(ways.oidc?.trouble).toMatch(
      /^Acme cannot be asked now \(http:\/\/127\.0\.0\.1:1\/: .*Log in with an API key/,
    );
    const begun = await fetch(`${cut.url}/v1/login`, { method: 'POST' });
    expect(await refusal(begun)).toMatchObject([503, 'unavailable', expect.stringMatching(/cannot be asked now/)]);
    const { key } = await logIn('bob');
    const headers = { authorization: `Bearer ${key}` };
    expect((await fetch(`${cut.url}/v1/research`, { headers })).status).toBe(200);
    await cut.stop();
  });

  it('that falls away in the middle of a login is told as that', async () => {
    const { address, ticket } = await begin();
    const query = await logInAs('bob', address, redirectUri);
    provider.away = true;
    expect(await refusal(await finish(ticket, query))).toMatchObject([503, 'unavailable', expect.anything()]);
  });

  it('that has another secret for this server is told as that', async () => {
    const wrong = await gatewayFor({ ...settingsFor(provider), clientSecret: 'wrong' });
    const begun = begunLogin.parse(await (await fetch(`${wrong.url}/v1/login`, { method: 'POST' })).json());
    const query = await logInAs('bob', begun.address, redirectUri);
    const body = JSON.stringify({ ticket: begun.ticket, query });
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${wrong.url}/v1/login/finish`, { method: 'POST', headers, body });
    expect(await refusal(response)).toMatchObject([
      503,
      'unavailable',
      expect.stringMatching(/ARGOSY_OIDC_CLIENT_SECRET/),
    ]);
    await wrong.stop();
  });

  it('may sign by elliptic curves', async () => {
    const curved = await startIdentityProvider({ people, redirectUri, algorithm: 'ES256' });
    const other = await gatewayFor(settingsFor(curved));
    const begun = begunLogin.parse(await (await fetch(`${other.url}/v1/login`, { method: 'POST' })).json());
    const body = JSON.stringify({ ticket: begun.ticket, query: await logInAs('bob', begun.address, redirectUri) });
    const headers = { 'content-type': 'application/json' };
    expect((await fetch(`${other.url}/v1/login/finish`, { method: 'POST', headers, body })).status).toBe(201);
    await other.stop();
    await curved.close();
  });
});
