import { randomBytes } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { errorResource, scopes, usageResource } from '#contracts';
import { jsonLogger } from '#platform';
import { type ApiKeys, parseLimits, parsePepper, type Rates } from '#runs';
import { runsOn, useStore } from '../../../../test/support/embedded.ts';
import { offerOf } from '../../../../test/support/offers.ts';
import { signingKey } from '../../../../test/support/sealing.ts';
import { Gateway, type GatewayOptions } from '../gateway.ts';
import type { Caller } from './caller.ts';

const store = useStore(runsOn({ leaseMs: 60_000, relookMs: 60_000, pollMs: 50 }));
const corpus = 'c_0123456789abcdef';
const offer = offerOf({ knowsCorpus: (id) => id === corpus });
const body = { question: 'Why?', sources: { corpora: [corpus] } };
/** Who may do anything. */
const local: Caller = {
  tenantId: 'local',
  keyId: null,
  scopes: new Set(scopes),
  limits: null,
  ends: new AbortController().signal,
};
const quiet = jsonLogger('gateway', 'error', () => undefined);

let keys: ApiKeys;
beforeAll(() => {
  keys = store().runs.keys({ pepper: parsePepper(randomBytes(32).toString('hex')), env: 'test' });
});

const opened: Gateway[] = [];
afterEach(async () => {
  for (const gateway of opened.splice(0)) await gateway.stop();
});

async function open(options: Partial<GatewayOptions>): Promise<Gateway> {
  const gateway = await Gateway.start(
    store().runs,
    offer,
    { host: '127.0.0.1', port: 0, tenantId: 'local', signingKey, ...options },
    quiet,
  );
  opened.push(gateway);
  return gateway;
}

let tenants = 0;
async function newTenant(): Promise<string> {
  tenants += 1;
  await keys.ensureTenant(`tenant-${tenants}`);
  return `tenant-${tenants}`;
}

async function keyOf(tenantId: string): Promise<string> {
  const wish = { name: 'test', scopes: ['research:write', 'research:read', 'usage:read'], expiresAt: null };
  return (await keys.create({ tenantId, actor: 'operator' }, wish)).text;
}

interface Sent {
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

async function send(
  gateway: Gateway,
  path: string,
  key: string,
  { body: sent, headers }: Sent = {},
): Promise<Response> {
  const all = { ...headers, authorization: `Bearer ${key}`, ...(sent ? { 'content-type': 'application/json' } : {}) };
  const init = sent === undefined ? { headers: all } : { method: 'POST', headers: all, body: JSON.stringify(sent) };
  return await fetch(new URL(path, gateway.url), init);
}

async function refusal(response: Response): Promise<{ status: number; code: string; retryAfter: number }> {
  const { error } = errorResource.parse(await response.json());
  return { status: response.status, code: error.code, retryAfter: Number(response.headers.get('retry-after')) };
}

/** Rates that count by themselves, on a clock that stands still. */
function stillRates(): { rates: Rates; limits: ReturnType<typeof parseLimits> } {
  const taken = new Map<string, number>();
  const rates: Rates = {
    take: async (claims) => {
      const granted = claims.every(({ key, rule }) => (taken.get(key) ?? 0) < rule.burst);
      if (granted) for (const { key } of claims) taken.set(key, (taken.get(key) ?? 0) + 1);
      const standings = claims.map(({ key, rule }) => ({
        remaining: rule.burst - (taken.get(key) ?? 0),
        resetMs: 250,
      }));
      return { granted, retryAfterMs: granted ? 0 : 1_500, standings };
    },
  };
  return { rates, limits: parseLimits('requests_per_minute=18,key_requests_per_minute=12,concurrent_runs=2') };
}

describe('requests of a key', () => {
  it('are counted for it and its tenant, told, and refused beyond', async () => {
    const gateway = await open({ keys, allowance: stillRates() });
    const tenantId = await newTenant();
    const [one, two] = [await keyOf(tenantId), await keyOf(tenantId)];
    const left = async (key: string): Promise<unknown> => {
      const { status, headers } = await send(gateway, '/v1/research', key);
      const of = (name: string) => headers.get(`x-ratelimit-${name}-requests`);
      return [status, of('limit'), of('remaining'), of('reset')];
    };
    expect(await left(one)).toEqual([200, '2', '1', '0.25s']);
    expect(await left(one)).toEqual([200, '2', '0', '0.25s']);
    const refused = await send(gateway, '/v1/research', one);
    expect(refused.headers.get('retry-after-ms')).toBe('1500');
    expect(refused.headers.get('x-ratelimit-remaining-requests')).toBe('0');
    expect(await refusal(refused)).toEqual({ status: 429, code: 'rate_limited', retryAfter: 2 });
    // The tenant has one left, whichever key it is.
    expect(await left(two)).toEqual([200, '3', '0', '0.25s']);
    expect((await send(gateway, '/v1/research', two)).status).toBe(429);
    expect((await send(gateway, '/v1/research', await keyOf(await newTenant()))).status).toBe(200);
  });

  it('that is none are not counted for anybody', async () => {
    const asked: string[] = [];
    const { rates, limits } = stillRates();
    const watched: Rates = {
      take: async (claims) => {
        asked.push(...claims.map(({ key }) => key));
        return await rates.take(claims);
      },
    };
    const gateway = await open({ keys, allowance: { rates: watched, limits } });
    expect((await send(gateway, '/v1/research', 'arg_live_x')).status).toBe(401);
    expect(asked).toEqual([]);
  });
});

describe('runs beyond what the tenant may have', () => {
  it('are refused with the time to wait, but for a repeated request, and those accepted are kept', async () => {
    const { rates } = stillRates();
    const allowance = { rates, limits: parseLimits('concurrent_runs=2,requests_per_minute=none') };
    const gateway = await open({ keys, allowance });
    const key = await keyOf(await newTenant());
    const repeated = { body, headers: { 'idempotency-key': 'once' } };
    const ids = [];
    for (const sent of [repeated, { body }]) {
      ids.push(((await (await send(gateway, '/v1/research', key, sent)).json()) as { id: string }).id);
    }
    const refused = await refusal(await send(gateway, '/v1/research', key, { body }));
    expect(refused).toEqual({ status: 429, code: 'quota_exceeded', retryAfter: 10 });
    const again = await send(gateway, '/v1/research', key, repeated);
    expect([again.status, ((await again.json()) as { id: string }).id]).toEqual([202, ids[0]]);
    const { data } = (await (await send(gateway, '/v1/research', key)).json()) as { data: { id: string }[] };
    expect(data.map(({ id }) => id)).toEqual(ids.reverse());
    await send(gateway, `/v1/research/${ids[0]}/cancel`, key, { body: undefined });
  });
});

describe('/v1/usage', () => {
  it('tells what was used, what is under way and what may be', async () => {
    const gateway = await open({
      keys,
      allowance: { ...stillRates(), limits: parseLimits('requests_per_minute=none,key_requests_per_minute=none') },
    });
    const key = await keyOf(await newTenant());
    await send(gateway, '/v1/research', key, { body });
    const used = usageResource.parse(await (await send(gateway, '/v1/usage', key)).json());
    expect(used).toMatchObject({
      days: [{ day: new Date().toISOString().slice(0, 10), runs: 1, usd: 0 }],
      unfinished_runs: 1,
      limits: { concurrent_runs: 1_000, requests_per_minute: null, usd_per_day: null },
    });
    const before = usageResource.parse(await (await send(gateway, '/v1/usage?to=2020-01-31', key)).json());
    expect(before.days).toEqual([]);
  });

  it.each(['from=x', 'from=2026-02-30', 'from=2026-02-02&to=2026-02-01', 'day=2026-01-01'])(
    'refuses ?%s',
    async (query) => {
      const gateway = await open({ keys });
      const response = await send(gateway, `/v1/usage?${query}`, await keyOf(await newTenant()));
      expect(await refusal(response)).toMatchObject({ status: 422, code: 'validation_failed' });
    },
  );

  it('tells of no limits where no keys are asked for', async () => {
    const gateway = await open({});
    expect(await (await fetch(`${gateway.url}/v1/usage`)).json()).toMatchObject({ limits: null });
  });
});

describe('a gateway that works on enough', () => {
  it('refuses what is more, answers for its health, and takes others when one is done', async () => {
    const entered = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const admission = {
      admit: async ({ url }: { url: string }) => {
        if (url.startsWith('/v1')) entered.resolve();
        if (url.startsWith('/v1/research')) await held.promise;
        return local;
      },
    };
    const gateway = await open({ crowd: 1, admission });
    const first = fetch(`${gateway.url}/v1/research`);
    await entered.promise;
    const refused = await fetch(`${gateway.url}/v1/usage`);
    expect(await refusal(refused)).toEqual({ status: 503, code: 'overloaded', retryAfter: 1 });
    expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200);
    held.resolve();
    expect((await first).status).toBe(200);
    expect((await fetch(`${gateway.url}/v1/usage`)).status).toBe(200);
  });

  it('does not count event streams that are open', async () => {
    const gateway = await open({ crowd: 1 });
    const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
    const { id } = (await (await fetch(`${gateway.url}/v1/research`, post)).json()) as { id: string };
    const stream = await fetch(`${gateway.url}/v1/research/${id}/events`);
    expect((await fetch(`${gateway.url}/v1/usage`)).status).toBe(200);
    await stream.body?.cancel();
  });
});
