import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createdKeyResource, errorResource, keyResource, type Scope, scopes } from '#contracts';
import { jsonLogger } from '#platform';
import { type ApiKeys, parsePepper } from '#runs';
import { runsOn, useStore } from '../../../../test/support/embedded.ts';
import { acceptanceOf } from '../../../../test/support/research.ts';
import { signingKey } from '../../../../test/support/sealing.ts';
import { Gateway } from '../gateway.ts';

const settings = { leaseMs: 60_000, relookMs: 60_000, pollMs: 50 };
const store = useStore(runsOn(settings));
const offer = { models: new Map(), defaultModel: 'none', providers: [], knowsCorpus: () => false };

let keys: ApiKeys;
let gateway: Gateway;
const logged: string[] = [];

beforeAll(async () => {
  const { runs } = store();
  const times = { freshMs: 20, everyMs: 5, lapseMs: 60_000 };
  keys = runs.keys({ pepper: parsePepper(randomBytes(32).toString('hex')), env: 'test', times });
  const logger = jsonLogger('gateway', 'debug', (line) => void logged.push(line));
  const options = { host: '127.0.0.1', port: 0, tenantId: 'local', signingKey, keys, heartbeatMs: 20 };
  gateway = await Gateway.start(runs, offer, options, logger);
});
afterAll(async () => {
  await gateway.stop();
  await keys.close();
});

let tenant = 0;
let tenantId = '';
beforeEach(async () => {
  tenant += 1;
  tenantId = `tenant-${tenant}`;
  await keys.ensureTenant(tenantId);
});

async function keyOf(of: string, given: readonly Scope[] = scopes): Promise<string> {
  const wish = { name: 'test', scopes: given, expiresAt: null };
  return (await keys.create({ tenantId: of, actor: 'operator' }, wish)).text;
}

async function call(path: string, key: string | null, init: RequestInit = {}): Promise<Response> {
  const headers = { ...init.headers, ...(key === null ? {} : { authorization: `Bearer ${key}` }) };
  return await fetch(new URL(path, gateway.url), { ...init, headers });
}

async function postKey(body: unknown, key: string): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return await call('/v1/keys', key, { method: 'POST', headers, body: JSON.stringify(body) });
}

async function refusal(response: Response): Promise<unknown> {
  const { error } = errorResource.parse(await response.json());
  return { status: response.status, code: error.code, message: error.message };
}

describe('a gateway with keys', () => {
  it('serves whoever shows one, as its tenant', async () => {
    const [mine, other] = [await keyOf(tenantId), await keyOf('tenant-1')];
    await store().runs.accept(acceptanceOf(tenantId, `run_${tenantId}`));
    const seen = async (key: string): Promise<number> => (await call(`/v1/research/run_${tenantId}`, key)).status;
    expect([await seen(mine), await seen(other)]).toEqual([200, tenantId === 'tenant-1' ? 200 : 404]);
  });

  it.each([
    ['no header', {}],
    ['another scheme', { authorization: 'Basic YTpi' }],
    ['an empty one', { authorization: '' }],
    ['a scheme without a key', { authorization: 'Bearer ' }],
    ['two keys', { authorization: 'Bearer a b' }],
    ['a key without its scheme', { authorization: 'arg_live_x' }],
  ])('asks for one where there is %s', async (_what, headers: Record<string, string>) => {
    const response = await fetch(new URL('/v1/research', gateway.url), { headers });
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="argosy"');
    expect(await refusal(response)).toMatchObject({
      status: 401,
      code: 'missing_api_key',
      message: expect.stringMatching(/Send the header: Authorization: Bearer arg_/),
    });
  });

  it.each(['null', 'undefined', 'arg_live_0123', 'x'.repeat(8_000), '%00', "' OR 1=1 --".replaceAll(' ', '')])(
    'refuses what is no key',
    async (text) => {
      const response = await call('/v1/research', text);
      expect(response.headers.get('www-authenticate')).toBe('Bearer realm="argosy", error="invalid_token"');
      expect(await refusal(response)).toMatchObject({ status: 401, code: 'invalid_api_key' });
    },
  );

  it('takes the scheme in any case', async () => {
    const key = await keyOf(tenantId);
    const headers = { authorization: `bEARER  ${key}` };
    expect((await fetch(new URL('/v1/research', gateway.url), { headers })).status).toBe(200);
  });

  it('asks before anything of the body is there', async () => {
    const headers = { 'content-type': 'application/json', 'content-length': '100000000' };
    const status = await new Promise((resolve, reject) => {
      const url = new URL('/v1/research', gateway.url);
      const sent = httpRequest(url, { method: 'POST', headers }, (response) => {
        resolve(response.statusCode);
        sent.destroy();
      });
      sent.on('error', reject).flushHeaders();
    });
    expect(status).toBe(401);
  });

  it('asks also where there is no such route, and not for its health', async () => {
    expect((await call('/v1/nothing', null)).status).toBe(401);
    expect((await call('/v1/nothing', await keyOf(tenantId))).status).toBe(404);
    expect((await call('/healthz', null)).status).toBe(200);
    expect((await call('/readyz', 'arg_x')).status).toBe(200);
  });

  it('does not ask where a request comes from', async () => {
    const headers = {
      authorization: `Bearer ${await keyOf(tenantId)}`,
      host: 'argosy.example',
      origin: 'https://a.example',
    };
    const status = await new Promise((resolve, reject) => {
      httpRequest(new URL('/v1/research', gateway.url), { headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(200);
  });

  it.each([
    ['research:read', 'POST', '/v1/research'],
    ['research:write', 'GET', '/v1/research'],
    ['corpora:read', 'POST', '/v1/corpora'],
    ['usage:read', 'GET', '/v1/keys'],
    ['corpora:write', 'DELETE', '/v1/keys/0'],
    ['keys:admin', 'GET', '/v1/secrets'],
    ['keys:admin', 'GET', '/v1/admin/fleet'],
    ['secrets:admin', 'GET', '/v1/admin/scaling'],
    ['secrets:admin', 'GET', '/v1/admin/inference'],
    ['keys:admin', 'GET', '/v1/admin/inference/experts?group=a:1'],
    ['keys:admin', 'PUT', '/v1/secrets/search.brave'],
    ['keys:admin', 'DELETE', '/v1/secrets/search.brave'],
  ] as const)('refuses a key with %s alone at %s %s', async (scope, method, path) => {
    const response = await call(path, await keyOf(tenantId, [scope]), { method });
    expect(await refusal(response)).toMatchObject({ status: 403, code: 'forbidden' });
  });
});

describe('/v1/keys', () => {
  it('makes a key, shows it once, lists it without, and revokes it', async () => {
    const admin = await keyOf(tenantId);
    const made = await postKey({ name: 'ci', scopes: ['research:read'] }, admin);
    expect(made.status).toBe(201);
    const { key, ...created } = createdKeyResource.parse(await made.json());
    expect((await call('/v1/research', key)).status).toBe(200);
    const { data } = (await (await call('/v1/keys', admin)).json()) as { data: unknown[] };
    const listed = data.map((one) => keyResource.strict().parse(one));
    expect(listed.map(({ name }) => name)).toEqual(['ci', 'test']);
    expect(listed[0]).toEqual({ ...created, last_used_at: expect.any(String) });
    const revoked = await call(`/v1/keys/${created.id}`, admin, { method: 'DELETE' });
    expect(keyResource.parse(await revoked.json()).revoked_at).toMatch(/^\d{4}-/);
    expect(await refusal(await call('/v1/research', key))).toMatchObject({ status: 401, code: 'invalid_api_key' });
  });

  it('gives a key all scopes but its own where none is named', async () => {
    const made = createdKeyResource.parse(await (await postKey({ name: 'x' }, await keyOf(tenantId))).json());
    expect(made.scopes).toEqual(scopes.filter((scope) => !scope.endsWith(':admin')));
    expect(made.expires_at).toBeNull();
  });

  it.each([
    ['no name', {}, /^name: /],
    ['an empty name', { name: '' }, /^name: /],
    ['a long name', { name: 'x'.repeat(101) }, /^name: /],
    ['a name with NUL', { name: 'a\0b' }, /^name: /],
    ['no scope', { name: 'x', scopes: [] }, /^scopes: /],
    ['an unknown scope', { name: 'x', scopes: ['root'] }, /^scopes\.0: /],
    ['a scope twice', { name: 'x', scopes: ['usage:read', 'usage:read'] }, /^scopes: names a scope twice/],
    ['a past expiry', { name: 'x', expires_at: '2020-01-01T00:00:00Z' }, /^expires_at: lies in the past/],
    ['a day as expiry', { name: 'x', expires_at: '2099-01-01' }, /^expires_at: /],
    ['an unknown field', { name: 'x', tenant: 'other' }, /tenant/],
  ])('refuses %s', async (_what, body, words) => {
    const told = await refusal(await postKey(body, await keyOf(tenantId)));
    expect(told).toMatchObject({ status: 422, code: 'validation_failed', message: expect.stringMatching(words) });
  });

  it('gives no key more than the one that asks for it has', async () => {
    const admin = await keyOf(tenantId, ['keys:admin', 'research:read']);
    const told = await refusal(await postKey({ name: 'x', scopes: ['research:read', 'research:write'] }, admin));
    expect(told).toMatchObject({ status: 422, message: expect.stringMatching(/lacks research:write itself/) });
  });

  it('knows no key of another tenant', async () => {
    const [mine, theirs] = [await keyOf(tenantId), await keyOf('tenant-1')];
    const [, , id] = theirs.split('_');
    const answer = await call(`/v1/keys/${id}`, mine, { method: 'DELETE' });
    expect(await refusal(answer)).toMatchObject({ status: 404, code: 'not_found' });
    expect((await call('/v1/research', theirs)).status).toBe(200);
    expect(JSON.stringify(await (await call('/v1/keys', mine)).json())).not.toContain(id);
  });
});

describe('a key that is revoked', () => {
  it('ends the event streams that it opened, and no others', async () => {
    const [admin, reader] = [await keyOf(tenantId), await keyOf(tenantId)];
    await store().runs.accept(acceptanceOf(tenantId, 'run_open'));
    const [mine, other] = [
      await call('/v1/research/run_open/events', admin),
      await call('/v1/research/run_open/events', reader),
    ];
    const [, , id] = reader.split('_');
    await call(`/v1/keys/${id}`, admin, { method: 'DELETE' });
    expect(await other.text()).toMatch(/^id: 1\nevent: run.accepted\n(?:.*\n)*: this key is no longer accepted\n\n$/);
    const left = mine.body?.getReader();
    expect((await left?.read())?.done).toBe(false);
    await left?.cancel();
  });
});

it('says of a server without keys that there are none', async () => {
  const options = { host: '127.0.0.1', port: 0, tenantId, signingKey };
  const open = await Gateway.start(
    store().runs,
    offer,
    options,
    jsonLogger('gateway', 'error', () => undefined),
  );
  try {
    const told = await refusal(await fetch(`${open.url}/v1/keys`));
    expect(told).toMatchObject({ status: 409, message: expect.stringMatching(/ARGOSY_KEY_PEPPER/) });
  } finally {
    await open.stop();
  }
});

it('no key is ever logged', async () => {
  const key = await keyOf(tenantId);
  await call('/v1/research?limit=x', key);
  await call(`/v1/nothing/${key}`, key);
  await call('/v1/research', `${key}x`);
  const [, , , secret = 'none'] = key.split('_');
  expect(logged.join('')).not.toContain(secret);
});
