import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { scopes } from '#contracts';
import type { Report } from '#domain';
import { jsonLogger } from '#platform';
import { type Claim, DataDirectory, openEmbedded, openFleet, type Runs, type Secrets, secretsKeyOf } from '#runs';
import { useStore } from '../../../test/support/embedded.ts';
import { offerOf } from '../../../test/support/offers.ts';
import { asked, observationOf, placed, reportOf, searchOf, sha256Of } from '../../../test/support/research.ts';
import { signingKey } from '../../../test/support/sealing.ts';
import { freshDatabase, sharedRedisUrl } from '../../../test/support/servers.ts';
import { Gateway } from './index.ts';

const offer = offerOf({ providers: ['mediawiki', 'arxiv'] });

/** In everything that the first tenant writes. */
const canary = 'canary7';
const text = `The ${canary} lease ends after ten seconds.`;
const file = Buffer.from(`A ${canary} file.`);
const fileHash = createHash('sha256').update(file).digest('hex');
const never = new AbortController().signal;
const wrapping = secretsKeyOf(randomBytes(32).toString('base64'));

/** A gateway that takes callers for whom they say they are. */
async function gatewayOn(runs: Runs, store: Secrets): Promise<Gateway> {
  const pepper = randomBytes(32);
  const admit = async ({ headers }: { headers: Record<string, unknown> }) => {
    const tenantId = String(headers['x-tenant']);
    return { tenantId, keyId: `key-of-${tenantId}`, scopes: new Set(scopes), limits: null, ends: never };
  };
  const keys = runs.keys({ pepper, env: 'test' });
  const secrets = { store, names: ['search.brave', 'search.exa'] };
  const options = { host: '127.0.0.1', port: 0, tenantId: 'nobody', signingKey, admission: { admit }, keys, secrets };
  return await Gateway.start(
    runs,
    offer,
    options,
    jsonLogger('gateway', 'error', () => undefined),
  );
}

const stack = useStore(async (folder) => {
  const directory = DataDirectory.hold(folder);
  const store = await openEmbedded(directory);
  const { runs } = store;
  for (const tenantId of ['a', 'b']) await runs.tenants.create({ tenantId, name: tenantId });
  const member = await runs.join({ workerId: 'test-worker', role: 'agent-worker', slots: 1 });
  const calls = await runs.answerCalls(member, { concurrency: 1 }, async () => {
    return { state: 'done', observation: observationOf(text), snapshots: new Map([[sha256Of(text), text]]) };
  });
  const driving = await runs.answerRuns(member, { concurrency: 1 }, async (claim) => await drive(runs, claim));
  const secrets = store.secrets({ wrapping });
  const gateway = await gatewayOn(runs, secrets);
  const close = async (): Promise<void> => {
    await gateway.stop();
    await driving.close({ abortAfterMs: 0 });
    await calls.close({ abortAfterMs: 0 });
    await member.end();
    await secrets.close();
    await store.close();
    await directory.release();
  };
  return { gateway, runs, close };
});

async function drive(runs: Runs, claim: Claim): Promise<void> {
  const call = placed(searchOf(canary), 0);
  await runs.commit(claim, { step: { number: 1, event: asked(call), answered: [] }, events: [], intents: [call] });
  const outcomes = (await runs.callTools(claim, [call], never)) ?? [];
  await runs.commit(claim, {
    step: { number: 2, event: { kind: 'tools-returned', outcomes }, answered: [call] },
    events: [],
  });
  const [source] = observationOf(text).sources;
  const { uri = '', title = '', sha256 = '', bytes = 0 } = source ?? {};
  const report: Report = {
    ...reportOf(claim.runId),
    answer: text,
    claims: [{ text, verdict: 'supported', citations: [{ source: 's1', start: 0, end: text.length, quote: text }] }],
    sources: [{ id: 's1', uri, title, sha256, bytes, fetched_at: '2026-01-31T00:00:00.000Z' }],
  };
  await runs.commit(claim, { events: [{ type: 'run.completed', data: {} }], outcome: { state: 'completed', report } });
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly id: string;
}

interface Sent {
  readonly json?: unknown;
  readonly bytes?: Uint8Array;
  readonly headers?: Record<string, string>;
}

async function send(tenant: string, route: string, sent: Sent = {}, to = stack().gateway): Promise<Answer> {
  const [method = '', path = ''] = route.split(' ');
  const body = sent.json === undefined ? sent.bytes : JSON.stringify(sent.json);
  const type = sent.json === undefined ? 'application/octet-stream' : 'application/json';
  const headers = { 'x-tenant': tenant, ...(body === undefined ? {} : { 'content-type': type }), ...sent.headers };
  const init = {
    method,
    headers,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : new Blob([new Uint8Array(body)]) }),
  };
  const response = await fetch(new URL(path, to.url), init);
  // A stream of a run that has not ended would not end either.
  const streams = response.headers.get('content-type')?.startsWith('text/event-stream') && response.ok;
  if (streams) await response.body?.cancel();
  const words = streams ? '' : await response.text();
  const { id = '' } = (words.startsWith('{') ? JSON.parse(words) : {}) as { id?: string };
  return { status: response.status, body: words, id };
}

const question = { question: `What is the ${canary} lease?`, sources: { web: true }, metadata: { note: canary } };
const folder = {
  name: `${canary} folder`,
  files: [{ path: `${canary}.md`, sha256: fileHash, bytes: file.byteLength }],
};
const once = { 'idempotency-key': 'one' };

/** One of each kind of thing that the first tenant can have. @returns their ids */
async function possessions(): Promise<string[]> {
  const { runs } = stack();
  const finished = await send('a', 'POST /v1/research', { json: question, headers: once });
  await runs.dispatch();
  for await (const { type } of runs.events('a', finished.id, 0, never)) expect(type).not.toBe('run.failed');
  const waiting = await send('a', 'POST /v1/research', { json: question });
  const response = await send('a', 'POST /v1/responses', {
    json: { model: 'extractive', input: question.question, background: true },
  });
  const corpus = await send('a', 'POST /v1/corpora', { json: folder });
  expect((await send('a', `PUT /v1/corpora/files/${fileHash}`, { bytes: file })).status).toBe(204);
  const key = await send('a', 'POST /v1/keys', { json: { name: canary } });
  const secret = await send('a', 'PUT /v1/secrets/search.brave', { json: { value: canary } });
  const { fingerprint } = JSON.parse(secret.body) as { fingerprint: string };
  const ids = [finished.id, waiting.id, response.id, corpus.id, key.id, fingerprint];
  expect(ids).not.toContain('');
  return [...ids, sha256Of(text), fileHash];
}

/** An id of the same form that nobody has. */
const twinOf = (id: string): string =>
  id.replace(/[0-9a-f](?=[0-9a-f]*$)/g, (digit) => ((Number.parseInt(digit, 16) + 1) % 16).toString(16));

/** What is left of an id without its prefix, which one protocol has otherwise than another. */
const hexOf = (id: string): string => id.replace(/^.*_/, '');

/** A route with every combination of these ids in the places of its parameters. */
function placesOf(route: string, ids: readonly string[]): string[][] {
  const places = route.split('/').filter((part) => part.startsWith(':'));
  return places.reduce<string[][]>((all, _) => all.flatMap((some) => ids.map((id) => [...some, id])), [[]]);
}
const placedIn = (route: string, ids: readonly string[]): string =>
  ids.reduce((path, id) => path.replace(/:\w+/, id), route);

/** Of the deployment, and the same for everyone. */
const common = new Set([
  ...['GET /healthz', 'GET /readyz', 'GET /metrics', 'GET /openapi.json', 'GET /v1/models', 'GET /v1/models/:id'],
  // Of all tenants, for whoever has `fleet:admin`.
  ...['GET /v1/admin/fleet', 'GET /v1/admin/scaling', 'GET /v1/admin/inference', 'GET /v1/admin/inference/experts'],
]);

/** Names in a path that everyone shares: what the second tenant may try there. */
const shared = new Set(['PUT /v1/secrets/:name', 'DELETE /v1/secrets/:name']);

/** What the second tenant may try with the things of the first, where they are named in a body. */
type Attempt = (ids: readonly string[]) => Promise<void>;
const attempts: Readonly<Record<string, Attempt>> = {
  'POST /v1/research': async (ids) => {
    const corpus = ids.find((id) => id.startsWith('c_')) ?? '';
    const search = async (id: string) =>
      await send('b', 'POST /v1/research', { json: { ...question, sources: { corpora: [id] } } });
    const [theirs, nobodys] = [await search(corpus), await search(twinOf(corpus))];
    expect(theirs).toMatchObject({ status: 422, body: expect.stringContaining(`there is no corpus ${corpus}`) });
    expect(nobodys.status).toBe(422);
    const mine = await send('b', 'POST /v1/research', {
      json: { ...question, question: 'Mine?', metadata: {} },
      headers: once,
    });
    expect(mine.status).toBe(202);
    expect(ids).not.toContain(mine.id);
  },
  'POST /v1/responses': async (ids) => {
    const response = ids.find((id) => id.startsWith('resp_')) ?? '';
    const json = { model: 'extractive', input: 'Mine?', background: true, previous_response_id: response };
    const { status, body } = await send('b', 'POST /v1/responses', { json });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(body).not.toContain(canary);
  },
  // Names nothing but a model, and waits for its run.
  'POST /v1/chat/completions': async () => undefined,
  'POST /v1/corpora': async (ids) => {
    const { status, body, id } = await send('b', 'POST /v1/corpora', { json: { ...folder, name: 'mine' } });
    expect(status).toBe(200);
    // The bytes are here, and not for him.
    expect(JSON.parse(body)).toMatchObject({ status: 'uploading', missing: [fileHash] });
    expect(ids).not.toContain(id);
    await send('b', `DELETE /v1/corpora/${id}`);
  },
  'POST /v1/corpora/files': async (ids) => {
    const part = (header: string, data: string) =>
      `--x\r\nContent-Disposition: form-data; ${header}\r\n\r\n${data}\r\n`;
    const form = `${part('name="name"', 'mine')}${part(`name="f"; filename="a.md"`, file.toString())}--x--\r\n`;
    const headers = { 'content-type': 'multipart/form-data; boundary=x' };
    const { status, body, id } = await send('b', 'POST /v1/corpora/files', { bytes: Buffer.from(form), headers });
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ name: 'mine', files: 1, missing: [] });
    expect(ids).not.toContain(id);
    await send('b', `DELETE /v1/corpora/${id}`);
  },
  'DELETE /v1/secrets/:name': async () => {
    const [theirs, nobodys] = [
      await send('b', 'DELETE /v1/secrets/search.brave'),
      await send('b', 'DELETE /v1/secrets/search.exa'),
    ];
    const told = ({ body }: Answer) => body.replace(/"request_id":"[^"]*"/, '');
    expect([theirs.status, nobodys.status, told(theirs)]).toEqual([404, 404, told(nobodys)]);
  },
  'PUT /v1/secrets/:name': async (ids) => {
    const mine = await send('b', 'PUT /v1/secrets/search.brave', { json: { value: 'mine' } });
    expect(mine.status).toBe(200);
    expect(ids.filter((id) => mine.body.includes(id))).toEqual([]);
    expect((await send('b', 'DELETE /v1/secrets/search.brave')).status).toBe(204);
    const { body } = await send('a', 'GET /v1/secrets');
    expect(ids.some((id) => body.includes(`"fingerprint":"${id}"`))).toBe(true);
  },
  // There is no identity provider here, and these name nothing of anybody's.
  'POST /v1/login': async () => expect((await send('b', 'POST /v1/login')).status).toBe(409),
  'POST /v1/login/finish': async () => {
    const json = { ticket: 'mine', query: 'code=mine' };
    expect((await send('b', 'POST /v1/login/finish', { json })).status).toBeGreaterThanOrEqual(400);
  },
  'DELETE /v1/login': async () => {
    expect((await send('b', 'DELETE /v1/login')).status).toBe(409);
    expect((await send('b', 'GET /v1/keys')).status).toBe(200);
  },
  'POST /v1/keys': async (ids) => {
    const { status, id } = await send('b', 'POST /v1/keys', { json: { name: 'mine' } });
    expect(status).toBe(201);
    expect(ids).not.toContain(id);
    await send('b', `DELETE /v1/keys/${id}`);
  },
};

const order = ['GET', 'PUT', 'POST', 'DELETE'];
const bytesFor = (route: string): Sent => (route.startsWith('PUT ') ? { bytes: file } : {});

describe('two tenants', () => {
  it('never meet: whatever one has is not there for the other, by any route', async () => {
    const ids = await possessions();
    const routes = stack().gateway.routes.toSorted(
      (x, y) => order.indexOf(x.split(' ')[0] ?? '') - order.indexOf(y.split(' ')[0] ?? ''),
    );
    const answers = new Map<string, Answer>();
    for (const route of routes.filter((one) => one.includes('/:') && !common.has(one) && !shared.has(one))) {
      for (const place of placesOf(route, ids)) {
        const path = placedIn(route, place);
        const answer = await send('b', path, bytesFor(route));
        answers.set(path, answer);
        // As for what nobody has: nothing tells that somebody else does.
        const twin = await send('b', placedIn(route, place.map(twinOf)), bytesFor(route));
        const shown = place.reduce((body, id) => body.replaceAll(hexOf(id), hexOf(twinOf(id))), answer.body);
        const told = (body: string) => body.replace(/"request_id":"[^"]*"/, '');
        expect([path, answer.status, told(shown)]).toEqual([path, twin.status, told(twin.body)]);
      }
    }
    for (const route of routes.filter((one) => shared.has(one) || (!one.includes('/:') && !one.startsWith('GET ')))) {
      expect([route, attempts[route] !== undefined]).toEqual([route, true]);
      await attempts[route]?.(ids);
    }
    for (const route of routes.filter((one) => !one.includes('/:') && one.startsWith('GET ') && !common.has(one))) {
      const { status, body } = await send('b', route);
      expect([route, status]).toEqual([route, 200]);
      for (const secret of [canary, ...ids]) expect([route, body.includes(secret)]).toEqual([route, false]);
      const own = await send('a', route);
      expect([route, ids.some((id) => own.body.includes(id)) || !own.body.includes('"data":[')]).toEqual([route, true]);
    }
    // Whoever owns the things has them still, and by every route at least one: so the refusals above mean something.
    for (const route of routes.filter((one) => one.includes('/:') && !common.has(one) && !shared.has(one))) {
      const served: string[] = [];
      for (const path of placesOf(route, ids).map((place) => placedIn(route, place))) {
        const { status } = await send('a', path, bytesFor(route));
        if (status >= 400) continue;
        served.push(path);
        expect([path, answers.get(path)?.status, answers.get(path)?.body.includes(canary)]).toEqual([path, 404, false]);
      }
      expect([route, served.length > 0]).toEqual([route, true]);
    }
  }, 120_000);

  it('have providers of their own choice', async () => {
    const { runs } = stack();
    const web = { question: 'Why?', sources: { web: true } };
    await runs.tenants.create({ tenantId: 'chooser', name: 'Chooser' }, { providers: ['arxiv'] });
    const refused = await send('chooser', 'POST /v1/research', {
      json: { ...web, sources: { providers: ['mediawiki'] } },
    });
    expect(refused).toMatchObject({ status: 422, body: expect.stringMatching(/mediawiki.*known: arxiv/) });
    const { id } = await send('chooser', 'POST /v1/research', { json: web });
    expect((await runs.history('chooser', id)).request.sources.providers).toEqual(['arxiv']);
    const { id: other } = await send('b', 'POST /v1/research', { json: web });
    expect((await runs.history('b', other)).request.sources.providers).toEqual([]);
    const told = async (tenant: string): Promise<unknown> => JSON.parse((await send(tenant, 'GET /v1/about')).body);
    expect(await told('chooser')).toMatchObject({ search: { providers: ['arxiv'], narrowed: true }, tools: null });
    expect(await told('b')).toMatchObject({
      search: { providers: expect.arrayContaining(['mediawiki']), narrowed: false },
    });
  });
});

describe('a request that is repeated', () => {
  it('is the same run, though its tenant may not ask for the same by now', async () => {
    const { runs } = stack();
    await runs.tenants.create({ tenantId: 'narrowed', name: 'Narrowed' });
    const json = { question: 'Why?', sources: { providers: ['mediawiki'] } };
    const post = async (sent: unknown, key: string) =>
      await send('narrowed', 'POST /v1/research', { json: sent, headers: { 'idempotency-key': key } });
    const first = await post(json, 'one');
    await runs.tenants.update('narrowed', { providers: [] });
    expect(await post(json, 'two')).toMatchObject({ status: 422, body: expect.stringContaining('validation_failed') });
    expect(await post(json, 'one')).toMatchObject({ status: 202, id: first.id });
    const other = await post({ ...json, question: 'Why not?' }, 'one');
    expect(other).toMatchObject({ status: 422, body: expect.stringContaining('idempotency_conflict') });
  });
});

describe('a run that is deleted', () => {
  it('is 204 once and 404 afterwards, also one that waits, whose stream ends', async () => {
    const { id } = await send('b', 'POST /v1/research', { json: question });
    const events = await fetch(new URL(`/v1/research/${id}/events`, stack().gateway.url), {
      headers: { 'x-tenant': 'b' },
    });
    expect(await send('b', `DELETE /v1/research/${id}`)).toMatchObject({ status: 204, body: '' });
    expect(await events.text()).not.toMatch(/event: run\.(cancelled|completed|failed)/);
    expect((await send('b', `GET /v1/research/${id}`)).status).toBe(404);
    expect((await send('b', `DELETE /v1/research/${id}`)).status).toBe(404);
  });
});

const useFleet = async () => {
  const fresh = await freshDatabase();
  const stores = { databaseUrl: fresh.url, redisUrl: sharedRedisUrl(), role: 'argosy_gateway' } as const;
  const { runs, secrets: openSecrets, close } = await openFleet(stores);
  const secrets = openSecrets({ wrapping });
  const gateway = await gatewayOn(runs, secrets);
  return {
    gateway,
    close: async () => {
      await gateway.stop();
      await secrets.close();
      await close();
      await fresh.drop();
    },
  };
};
const fleet = useStore(useFleet);

describe.each([
  ['PGlite', stack],
  ['PostgreSQL, as the gateway', fleet],
])('an Idempotency-Key on %s', (_name, at) => {
  const key = { 'idempotency-key': 'once' };
  const post = async (tenant: string, json: unknown) =>
    await send(tenant, 'POST /v1/research', { json, headers: key }, at().gateway);

  it('makes one run of fifty requests at once, for each tenant its own', async () => {
    const all = await Promise.all(
      ['c', 'd'].flatMap((tenant) =>
        Array.from({ length: 50 }, async () => ({ tenant, ...(await post(tenant, question)) })),
      ),
    );
    expect(all.filter(({ status }) => status !== 202)).toEqual([]);
    const idsOf = (tenant: string) => [...new Set(all.filter((one) => one.tenant === tenant).map(({ id }) => id))];
    expect([idsOf('c').length, idsOf('d').length]).toEqual([1, 1]);
    expect(idsOf('c')).not.toEqual(idsOf('d'));
  });

  it('refuses another request, and takes it when the first run was deleted', async () => {
    const { id } = await post('e', question);
    const other = { ...question, question: 'Something else?' };
    expect(await post('e', other)).toMatchObject({
      status: 422,
      body: expect.stringContaining('idempotency_conflict'),
    });
    expect((await post('e', { ...question, metadata: { note: canary } })).id).toBe(id);
    await send('e', `DELETE /v1/research/${id}`, {}, at().gateway);
    expect((await post('e', other)).status).toBe(202);
  });
});
