import { createPublicKey } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  acceptedResource,
  errorResource,
  explanationResource,
  fingerprintOf,
  readTar,
  runResource,
  runUsageList,
  usageResource,
  verifyBundle,
} from '#contracts';
import type { Report } from '#domain';
import { jsonLogger } from '#platform';
import { type CallResult, type Claim, DataDirectory, type EmbeddedRuns, openEmbedded, type Runs } from '#runs';
import { ApiDocument } from '../../../test/support/api-document.ts';
import { useStore } from '../../../test/support/embedded.ts';
import { extractive, offerOf } from '../../../test/support/offers.ts';
import { asked, observationOf, placed, reportOf, searchOf, sha256Of } from '../../../test/support/research.ts';
import { signingKey } from '../../../test/support/sealing.ts';
import { Gateway } from './index.ts';

const corpus = 'c_0123456789abcdef';
const text = 'A worker that falls silent loses its lease after ten seconds.';
const uncited = 'A text that the run read and did not cite.';
const priceless = { ...extractive, isLanguageModel: true, contextTokens: 32_000, prices: [] };
const offer = offerOf({
  models: new Map([
    ['extractive', extractive],
    ['priceless', priceless],
  ]),
  knowsCorpus: (id) => id === corpus,
});
const good = { question: 'Why do leases end?', sources: { corpora: [corpus] } };
/** The one call of a run with this question takes a while. */
const slow = { ...good, question: 'take your time' };
/** A run with this question goes on until it is cancelled. */
const endless = { ...good, question: 'hold' };

interface Stack {
  readonly gateway: Gateway;
  readonly document: ApiDocument;
  readonly runs: Runs;
  close(): Promise<void>;
}

/** A gateway on its own database; runs are driven by a worker of ours, which {@link dispatch} rings. */
const stack = useStore(async (folder): Promise<Stack> => {
  const directory = DataDirectory.hold(folder);
  const store: EmbeddedRuns = await openEmbedded(directory);
  const { runs } = store;
  const member = await runs.join({ workerId: 'test-worker', role: 'agent-worker', slots: 10 });
  const calls = await runs.answerCalls(member, { concurrency: 4 }, async ({ args }) => {
    if (args['query'] === slow.question) await new Promise((resolve) => setTimeout(resolve, 50));
    return found();
  });
  const driving = await runs.answerRuns(
    member,
    { concurrency: 4 },
    async (claim, closing) => await drive(runs, claim, closing),
  );
  const options = { host: '127.0.0.1', port: 0, tenantId: 'local', signingKey, heartbeatMs: 20 };
  const gateway = await Gateway.start(
    runs,
    offer,
    options,
    jsonLogger('gateway', 'error', () => undefined),
  );
  const close = async (): Promise<void> => {
    await gateway.stop();
    await driving.close({ abortAfterMs: 0 });
    await calls.close({ abortAfterMs: 0 });
    await member.end();
    await store.close();
    await directory.release();
  };
  return { gateway, document: await ApiDocument.of(gateway.url), runs, close };
});

function found(): CallResult {
  return {
    state: 'done',
    observation: observationOf(text),
    snapshots: new Map([text, uncited].map((t) => [sha256Of(t), t])),
  };
}

async function drive(runs: Runs, claim: Claim, closing: AbortSignal): Promise<void> {
  if (claim.request.question === endless.question) return await untilCancelled(runs, claim, closing);
  const call = placed(searchOf(claim.request.question), 0);
  const events = [{ type: 'tool.started', data: { tool: 'search' } }] as const;
  const { reply, ...event } = asked(call);
  const step = { number: 1, event: { ...event, reply: { ...reply, times: { ms: 1, tries: 2 } } }, answered: [] };
  await runs.commit(claim, { step, events, intents: [call] });
  await runs.callTools(claim, [call], closing);
  const returned = { kind: 'tools-returned', outcomes: [{ call, observation: observationOf(text) }] } as const;
  const faults = [{ label: 'lease', kind: 'empty', message: 'nothing there' }];
  const brought = [{ type: 'tool.completed', data: { step: 0, index: 0, tool: 'search', faults } }] as const;
  await runs.commit(claim, { step: { number: 2, event: returned, answered: [call] }, events: brought });
  const [source] = observationOf(text).sources;
  const { uri = '', title = '', sha256 = '', bytes = 0 } = source ?? {};
  const report: Report = {
    ...reportOf(claim.runId),
    claims: [{ text, verdict: 'supported', citations: [{ source: 's1', start: 0, end: text.length, quote: text }] }],
    sources: [{ id: 's1', uri, title, sha256, bytes, fetched_at: '2026-01-31T00:00:00.000Z' }],
  };
  const told = [
    { type: 'report.completed', data: {} },
    { type: 'run.completed', data: {} },
  ] as const;
  await runs.commit(claim, { events: told, outcome: { state: 'completed', report } });
}

async function untilCancelled(runs: Runs, claim: Claim, closing: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    runs.onFlag(claim, resolve);
    closing.addEventListener('abort', () => resolve(), { once: true });
  });
  if (closing.aborted) return;
  const report = { ...reportOf(claim.runId), status: 'cancelled' as const };
  await runs.commit(claim, { events: [{ type: 'run.cancelled', data: {} }], outcome: { state: 'cancelled', report } });
}

/** Nothing describes it. */
const unknownRoute = '/v1/nothing';

/** Each answer is as the gateway's own description says. */
async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const { document, gateway } = stack();
  const response = await fetch(new URL(path, gateway.url), init);
  if (path !== unknownRoute) await document.check(init.method ?? 'GET', response);
  return response;
}

async function post(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return await call('/v1/research', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: text,
  });
}

async function accept(body: unknown = good): Promise<string> {
  const response = await post(body);
  expect(response.status).toBe(202);
  return acceptedResource.parse(await response.json()).id;
}

/** The error of a refused request. */
async function refusal(
  response: Response,
): Promise<{ status: number; code: string; message: string; request_id: string }> {
  const { error } = errorResource.parse(await response.json());
  return { status: response.status, ...error };
}

interface Told {
  readonly id: number;
  readonly type: string;
  readonly text: string;
}

/** A whole event stream without its heartbeats. */
async function streamOf(id: string, query = '', headers: Record<string, string> = {}): Promise<Told[]> {
  const response = await call(`/v1/research/${id}/events${query}`, { headers });
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  const blocks = (await response.text()).split('\n\n').filter((block) => block !== '' && !block.startsWith(':'));
  return blocks.map((block) => {
    const [, number = '', type = ''] = /^id: (\d+)\nevent: (\S+)\ndata: \{.*\}$/.exec(block) ?? [];
    return { id: Number(number), type, text: block };
  });
}

/** A run that has been driven to its end. */
async function finishedRun(body: unknown = good): Promise<string> {
  const id = await accept(body);
  await stack().runs.dispatch();
  expect((await streamOf(id)).at(-1)?.type).toBe('run.completed');
  return id;
}

describe('POST /v1/research', () => {
  it('accepts a request with 202 before anything is done for it', async () => {
    const budget = { steps: 7, output_tokens: 9_000 };
    const response = await post({ ...endless, budget, metadata: { ticket: '7' } });
    expect(response.status).toBe(202);
    const accepted = acceptedResource.parse(await response.json());
    expect(accepted).toMatchObject({ status: 'queued', queue_position: expect.any(Number) });
    const run = runResource.parse(await (await call(`/v1/research/${accepted.id}`)).json());
    expect(run).toMatchObject({ question: 'hold', metadata: { ticket: '7' }, started_at: null, report: null });
    expect({ budget: run.budget, corpora: run.corpora }).toEqual({ budget, corpora: [corpus] });
    await call(`/v1/research/${accepted.id}/cancel`, { method: 'POST' });
  });

  it('lists every fault of a request, unknown fields too', async () => {
    const bad = {
      question: ' ',
      budget: { steps: 0, seconds: -1 },
      sources: { urls: ['x'], colour: 1 },
      temperature: 1,
    };
    const { status, code, message } = await refusal(await post(bad));
    expect({ status, code }).toEqual({ status: 422, code: 'validation_failed' });
    for (const fault of [
      'question:',
      'budget.steps:',
      'budget.seconds:',
      'sources.urls.0:',
      '"colour"',
      '"temperature"',
    ]) {
      expect(message).toContain(fault);
    }
  });

  it.each<[string, unknown, number, string, RegExp]>([
    ['nothing to read', { question: 'x' }, 422, 'validation_failed', /sources\.corpora.*sources\.urls/],
    [
      'an unknown corpus',
      { ...good, sources: { corpora: ['c_ffffffffffffffff'] } },
      422,
      'validation_failed',
      /no corpus c_f+/,
    ],
    [
      'a corpus that is a path',
      { ...good, sources: { corpora: ['/etc'] } },
      422,
      'validation_failed',
      /sources\.corpora\.0/,
    ],
    ['an unknown model', { ...good, model: 'gpt' }, 409, 'model_unavailable', /"gpt".*known: extractive, priceless/],
    [
      'money without prices',
      { ...good, model: 'priceless', budget: { usd: 1 } },
      422,
      'validation_failed',
      /budget\.usd/,
    ],
    [
      'a provider that runs may not ask',
      { ...good, sources: { providers: ['google'] } },
      422,
      'validation_failed',
      /sources\.providers\.0: "google" is no search provider.*known: none/,
    ],
    [
      'providers beside the ban of the web, and days in the wrong order',
      {
        ...good,
        sources: { web: false, providers: ['a'], published_after: '2024-02-01', published_before: '2024-01-01' },
      },
      422,
      'validation_failed',
      /sources\.providers: .*web is false[\s\S]*sources\.published_before: lies before/,
    ],
    [
      'a day that is none',
      { ...good, sources: { published_after: '2024-02-30' } },
      422,
      'validation_failed',
      /sources\.published_after: a day such as/,
    ],
    ['no object', [], 422, 'validation_failed', /expected object/],
    ['no JSON', '{"question": ', 400, 'bad_request', /JSON/],
    ['a body above 1 MiB', { ...good, question: 'x'.repeat(1_100_000) }, 413, 'too_large', /large/i],
  ])('refuses %s', async (_, body, status, code, words) => {
    const told = await refusal(await post(body));
    expect(told).toMatchObject({ status, code, message: expect.stringMatching(words) });
    expect(told.request_id).not.toBe('');
  });

  it('refuses another type of body', async () => {
    expect(await refusal(await post('a=b', { 'content-type': 'text/csv' }))).toMatchObject({ status: 415 });
  });

  it('answers a repeated request under one Idempotency-Key with the first run, and refuses another request', async () => {
    const key = { 'idempotency-key': 'once' };
    const first = acceptedResource.parse(await (await post({ question: 'Again?', sources: good.sources }, key)).json());
    const again = await post({ sources: good.sources, question: 'Again?' }, key);
    expect(again.status).toBe(202);
    expect(await again.json()).toMatchObject({ id: first.id });
    const other = await refusal(await post({ question: 'Something else?', sources: good.sources }, key));
    expect(other).toMatchObject({
      status: 422,
      code: 'idempotency_conflict',
      message: expect.stringContaining('"once"'),
    });
    await call(`/v1/research/${first.id}/cancel`, { method: 'POST' });
  });
});

describe('GET /v1/research', () => {
  it('lists runs newest first, page by page, none twice and none left out', async () => {
    const ids = [await accept(endless), await accept(endless), await accept(endless)].reverse();
    const seen: string[] = [];
    let next: string | null = null;
    do {
      const before: string = next === null ? '' : `&before=${next}`;
      const page = (await (await call(`/v1/research?limit=2${before}`)).json()) as {
        data: { id: string }[];
        next: string | null;
      };
      expect(page.data.length).toBeLessThanOrEqual(2);
      seen.push(...page.data.map(({ id }) => id));
      next = page.next;
    } while (next !== null);
    expect(seen.slice(0, 3)).toEqual(ids);
    expect(new Set(seen).size).toBe(seen.length);
    for (const id of ids) await call(`/v1/research/${id}/cancel`, { method: 'POST' });
  });

  it.each(['?limit=0', '?limit=101', '?limit=x'])('refuses %s', async (query) => {
    expect(await refusal(await call(`/v1/research${query}`))).toMatchObject({ status: 422, code: 'validation_failed' });
  });

  it.each([
    '/v1/research/run_x',
    '/v1/research/run_x/events',
    '/v1/research/run_x/report.md',
    '/v1/research/run_x/bundle.tar',
    unknownRoute,
  ])('answers 404 with a code and a request id for %s', async (path) => {
    const told = await refusal(await call(path));
    expect(told).toMatchObject({ status: 404, code: 'not_found', request_id: expect.stringMatching(/./) });
  });
});

describe('GET /v1/research/{id}/events', () => {
  it('gives exactly the rest after every number, by header and by query', async () => {
    const id = await finishedRun();
    const all = await streamOf(id);
    expect(all.map((event) => event.id)).toEqual(all.map((_, index) => index + 1));
    expect(all.map(({ type }) => type)).toEqual([
      'run.accepted',
      'run.started',
      'step.started',
      'tool.started',
      'tool.completed',
      'report.completed',
      'run.completed',
    ]);
    for (const { id: last } of all.slice(0, -1)) {
      const rest = all.slice(last);
      expect(await streamOf(id, '', { 'last-event-id': String(last) })).toEqual(rest);
      expect(await streamOf(id, `?after=${last}`)).toEqual(rest);
    }
  });

  it('ends at once when the client has the last event already', async () => {
    const id = await finishedRun();
    const last = (await streamOf(id)).at(-1)?.id;
    for (const after of [last, 1_000_000]) {
      const response = await call(`/v1/research/${id}/events?after=${after}`);
      // Browsers come back for a stream that ends, and stay away after 204.
      expect([response.status, await response.text()]).toEqual([204, '']);
    }
  });

  it('refuses a number that is none', async () => {
    const id = await finishedRun();
    expect(await refusal(await call(`/v1/research/${id}/events?after=x`))).toMatchObject({ status: 422 });
  });

  it('keeps a quiet stream open with comments until the terminal event', async () => {
    const id = await accept(endless);
    const response = await call(`/v1/research/${id}/events`);
    let text = '';
    let cancelled = false;
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      if (cancelled || text.split(': still here\n\n').length < 4) continue;
      cancelled = true;
      await call(`/v1/research/${id}/cancel`, { method: 'POST' });
    }
    expect(text).toMatch(/event: run\.cancelled\ndata: \{.*\}\n\n$/);
  });
});

describe('POST /v1/research/{id}/cancel', () => {
  it('ends a queued run at once', async () => {
    const id = await accept(endless);
    const response = await call(`/v1/research/${id}/cancel`, { method: 'POST' });
    expect(response.status).toBe(202);
    expect(await response.json()).toMatchObject({ id, status: 'cancelled' });
    expect((await streamOf(id)).map(({ type }) => type)).toEqual(['run.accepted', 'run.cancelled']);
  });

  it('ends a running run through its worker', async () => {
    const id = await accept(endless);
    await stack().runs.dispatch();
    const response = await call(`/v1/research/${id}/events`);
    let text = '';
    let cancelled = false;
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      if (cancelled || !text.includes('event: run.started')) continue;
      cancelled = true;
      const asked = await call(`/v1/research/${id}/cancel`, { method: 'POST' });
      expect(asked.status).toBe(202);
    }
    expect(text).toContain('event: run.cancelled');
  });

  it('refuses a run that has ended, naming its state', async () => {
    const id = await finishedRun();
    const told = await refusal(await call(`/v1/research/${id}/cancel`, { method: 'POST' }));
    expect(told).toMatchObject({ status: 409, code: 'invalid_state', message: expect.stringContaining('completed') });
  });
});

describe('GET /v1/research/{id}/explain', () => {
  it('names the slow tool of a run first, and accounts for all of its time', async () => {
    const id = await finishedRun(slow);
    const explanation = explanationResource.parse(await (await call(`/v1/research/${id}/explain`)).json());
    const { slowest, retries, faults, ms, wall_ms } = explanation;
    expect(slowest[0]).toMatchObject({ kind: 'tool', name: 'search', what: slow.question, index: 0 });
    expect(slowest[0]?.ms).toBeGreaterThanOrEqual(49);
    expect(ms.tools).toBe(slowest[0]?.ms);
    expect(Object.values(ms).reduce((sum, one) => sum + one)).toBe(wall_ms);
    expect(retries.map(({ kind, tries }) => [kind, tries])).toEqual([['model', 2]]);
    expect(faults).toEqual([{ step: 0, name: 'search', kind: 'empty', message: 'nothing there' }]);
  });

  it('has nothing to tell of a run that is not there', async () => {
    expect(await refusal(await call('/v1/research/run_nowhere/explain'))).toMatchObject({ status: 404 });
  });
});

describe('/v1/usage', () => {
  it('tells of runs one by one, which add up to their days, as JSON and as CSV', async () => {
    const id = await finishedRun();
    const { days } = usageResource.parse(await (await call('/v1/usage')).json());
    const { data, next } = runUsageList.parse(await (await call('/v1/usage/runs?limit=1000')).json());
    expect(data.find((one) => one.run_id === id)).toMatchObject({ model: 'extractive', status: 'completed', runs: 1 });
    expect([next, data.length]).toEqual([null, days.reduce((sum, { runs }) => sum + runs, 0)]);
    const csv = { headers: { accept: 'text/csv' } };
    const byDay = await call('/v1/usage', csv);
    expect(byDay.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect((await byDay.text()).split('\r\n')[0]).toMatch(/^day,runs,.*,usd,nano_usd,/);
    const byRun = (await (await call('/v1/usage/runs?limit=1', csv)).text()).trimEnd().split('\r\n');
    expect(byRun.slice(1).map((line) => line.split(',')[0])).toEqual(data.map(({ run_id }) => run_id));
  });

  it('refuses days in the wrong order', async () => {
    const response = await call('/v1/usage/runs?from=2026-02-02&to=2026-02-01');
    expect(await refusal(response)).toMatchObject({
      status: 422,
      message: expect.stringContaining('lies before from'),
    });
  });
});

describe('what a report stands on', () => {
  let id: string;

  async function transcriptIn(runId: string): Promise<string> {
    const tar = await (await call(`/v1/research/${runId}/bundle.tar`)).arrayBuffer();
    return new TextDecoder().decode(readTar(new Uint8Array(tar)).get('transcript.jsonl'));
  }

  beforeAll(async () => {
    id = await finishedRun();
  });

  it('is served as markdown', async () => {
    const response = await call(`/v1/research/${id}/report.md`);
    expect(response.headers.get('content-type')).toBe('text/markdown; charset=utf-8');
    expect(await response.text()).toContain('# Why do locks expire?');
  });

  it('is served as the cited text, and no other text of the store', async () => {
    const cited = await call(`/v1/research/${id}/snapshots/${sha256Of(text)}`);
    expect(cited.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await cited.text()).toBe(text);
    for (const other of [sha256Of(uncited), 'f'.repeat(64), '..%2f..%2fetc%2fpasswd']) {
      expect(await refusal(await call(`/v1/research/${id}/snapshots/${other}`))).toMatchObject({ status: 404 });
    }
  });

  it('is served as one sealed bundle, the same at every call', async () => {
    const response = await call(`/v1/research/${id}/bundle.tar`);
    expect(response.headers.get('content-type')).toBe('application/x-tar');
    const tar = new Uint8Array(await response.arrayBuffer());
    const files = readTar(tar);
    const fingerprint = fingerprintOf(createPublicKey(signingKey));
    const { ended_at: createdAt } = runResource.parse(await (await call(`/v1/research/${id}`)).json());
    expect(verifyBundle(files, fingerprint)).toMatchObject({
      sound: true,
      claims: 1,
      seal: { fingerprint, createdAt },
    });
    const again = await call(`/v1/research/${id}/bundle.tar`);
    expect(Buffer.from(await again.arrayBuffer()).equals(tar)).toBe(true);
  });

  it('has a transcript that does not tell one run from another in which the same happened', async () => {
    const [first, second] = await Promise.all([id, await finishedRun()].map(transcriptIn));
    expect(second).toBe(first);
    const [question, ...steps] = (first ?? '').trimEnd().split('\n');
    expect(JSON.parse(question ?? '')).toMatchObject({ kind: 'question', ...good, sources: { corpora: [corpus] } });
    expect(steps.map((line) => JSON.parse(line).kind)).toEqual(['model-replied', 'tools-returned']);
    expect(first).toContain(sha256Of(text));
    expect(first).not.toContain(text);
  });

  it.each(['report.md', 'bundle.tar'])('is refused as %s for a run without a report', async (form) => {
    const queued = await accept(endless);
    const told = await refusal(await call(`/v1/research/${queued}/${form}`));
    expect(told).toMatchObject({
      status: 409,
      code: 'invalid_state',
      message: expect.stringContaining('has no report'),
    });
    await call(`/v1/research/${queued}/cancel`, { method: 'POST' });
  });
});

describe('on loopback without keys', () => {
  /** fetch does not let a Host be set. */
  async function statusWith(headers: Record<string, string>): Promise<number> {
    return await new Promise((resolve, reject) => {
      const sent = httpRequest(new URL('/v1/research', stack().gateway.url), { headers }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      sent.on('error', reject).end();
    });
  }

  it('serves callers that name this machine', async () => {
    const { port, host } = new URL(stack().gateway.url);
    expect(await statusWith({})).toBe(200);
    expect(await statusWith({ host: `localhost:${port}` })).toBe(200);
    expect(await statusWith({ origin: `http://${host}` })).toBe(200);
  });

  it.each([
    { host: 'attacker.example' },
    { host: '127.0.0.1.attacker.example' },
    { origin: 'https://attacker.example' },
    { origin: 'null' },
    { origin: 'http://127.0.0.1:1' },
  ])('refuses %j', async (headers) => {
    expect(await statusWith(headers)).toBe(403);
  });
});

it('is alive and ready', async () => {
  expect(await (await call('/healthz')).json()).toEqual({ status: 'ok' });
  expect(await (await call('/readyz')).json()).toEqual({ status: 'ok' });
});

describe('a gateway that stops', () => {
  const quiet = jsonLogger('gateway', 'error', () => undefined);
  const local = { host: '127.0.0.1', port: 0, tenantId: 'local', signingKey };

  /** A gateway with one request in work, which goes on until it is told to end. */
  async function busy() {
    const [begun, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const list = async (): Promise<[]> => {
      begun.resolve();
      await end.promise;
      return [];
    };
    const gateway = await Gateway.start({ list } as unknown as Runs, offer, local, quiet);
    const answer = fetch(`${gateway.url}/v1/research`);
    answer.catch(() => undefined);
    await begun.promise;
    return { gateway, answer, end: end.resolve };
  }

  it('ends open event streams, so that clients resume elsewhere', async () => {
    const gateway = await Gateway.start(stack().runs, offer, local, quiet);
    const response = await fetch(`${gateway.url}/v1/research/${await accept()}/events`);
    // Longer than this test may take: whatever does not end by itself fails it.
    await gateway.stop(60_000);
    expect(await response.text()).toMatch(/^id: 1\nevent: run.accepted\n/);
  });

  it('answers what it has begun and takes nothing new', async () => {
    const { gateway, answer, end } = await busy();
    const stopping = gateway.stop(60_000);
    await expect(fetch(`${gateway.url}/healthz`)).rejects.toThrow();
    end();
    expect((await answer).status).toBe(200);
    await stopping;
  });

  it('cuts off what takes longer than its grace', async () => {
    const { gateway, answer, end } = await busy();
    const stopping = gateway.stop(0);
    await expect(answer).rejects.toThrow();
    end();
    await stopping;
  });
});

it('says over its own port why its process is not ready, and what it measures', async () => {
  const health = {
    readiness: () => ({ ready: false, reason: 'The store is away.' }) as const,
    metrics: async () => 'argosy_x 1\n',
  };
  const options = { host: '127.0.0.1', port: 0, tenantId: 'local', signingKey, health };
  const quiet = jsonLogger('gateway', 'error', () => undefined);
  const gateway = await Gateway.start(stack().runs, offer, options, quiet);
  try {
    const [ready, metrics] = await Promise.all(['/readyz?x', '/metrics'].map((path) => fetch(gateway.url + path)));
    expect(ready?.status).toBe(503);
    expect(await ready?.json()).toEqual({ status: 'not_ready', reason: 'The store is away.' });
    expect(metrics?.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(await metrics?.text()).toBe('argosy_x 1\n');
  } finally {
    await gateway.stop();
  }
});

it('refuses a port that is taken, with the ways out', async () => {
  const port = Number(new URL(stack().gateway.url).port);
  const options = { host: '127.0.0.1', port, tenantId: 'local', signingKey };
  const logger = jsonLogger('gateway', 'error', () => undefined);
  const starting = Gateway.start(stack().runs, offer, options, logger);
  await expect(starting).rejects.toThrow(/port \d+ on 127\.0\.0\.1 is in use.*--port or ARGOSY_PORT/);
});
