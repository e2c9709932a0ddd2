import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AgentWorker } from '#agent-worker';
import { acceptedResource, runResource, scopes } from '#contracts';
import { Dispatcher } from '#dispatcher';
import { Gateway } from '#gateway';
import { configuredModels } from '#model';
import { alwaysReady, jsonLogger, metricsText, readConfig, startTelemetry, type Telemetry } from '#platform';
import { type FleetRuns, openFleet, openOperator, parseLimits, type RunsSettings, secretsKeyOf } from '#runs';
import { ToolWorker } from '#tool-worker';
import { Corpora, openToolbox, searchProviders, secretNames, toolSignatures, wayOut } from '#tools';
import { eventually } from '../../../test/support/argosy.ts';
import { temporaryFolder } from '../../../test/support/embedded.ts';
import { contentsOf, recordOf, rowsOf, watch } from '../../../test/support/fleet-records.ts';
import { type ModelServer, startModelServer } from '../../../test/support/model-server.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../../../test/support/otlp-receiver.ts';
import { specOf, thinkAndAnswer, thinkAndCall, toolResponsesIn } from '../../../test/support/scripted-research.ts';
import { signingKey } from '../../../test/support/sealing.ts';
import { canOwnServers, freshDatabase, ownRedis } from '../../../test/support/servers.ts';

/** Texts that nobody else writes; each must stay where it belongs. */
const marks = {
  brave: `canary-brave-${randomUUID()}`,
  openalex: `canary-openalex-${randomUUID()}`,
  question: `canary-question-${randomUUID()}`,
  page: `canary-page-${randomUUID()}`,
};

const quote = 'The ferry leaves every ninety minutes.';
const question = `How often does the ferry of ${marks.question} leave?`;
const tenantId = 'acme';

const servers: Server[] = [];
async function listen(answer: RequestListener): Promise<{ seen: IncomingMessage[]; host: string }> {
  const seen: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    seen.push(request);
    answer(request, response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { seen, host: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** A page, a provider that names it, and one that has its key in the address and breaks the connection. */
async function startWeb() {
  const site = await listen((_request, response) => {
    const page = `<html><head><title>Ferry</title></head><body><main><p>${quote} It is called ${marks.page}.</p></main></body></html>`;
    response.writeHead(200, { 'content-type': 'text/html' }).end(page);
  });
  const url = `http://${site.host}/ferry`;
  const brave = await listen((_request, response) => {
    const results = [{ url, title: 'Ferry', description: 'A timetable.', page_age: null }];
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ type: 'search', web: { results } }));
  });
  const openalex = await listen((request) => request.socket.destroy());
  const allow = [site, brave, openalex].map(({ host }) => host).join(',');
  return { url, brave, openalex, allow };
}

type Web = Awaited<ReturnType<typeof startWeb>>;

/** Searches, reads what it found, and quotes a sentence. It repeats neither canary: what a model writes is shown as it comes. */
async function startModel({ url }: Web): Promise<ModelServer> {
  return await startModelServer((request) => {
    switch (toolResponsesIn(request).length) {
      case 0:
        // Of those whom this asks none answers, and the model is told why.
        return thinkAndCall('scholar', { query: ['ferry timetable'] });
      case 1:
        return thinkAndCall('search', { query: ['ferry timetable'] });
      case 2:
        return thinkAndCall('visit', { url: [url], goal: 'how often it leaves' });
      default:
        return thinkAndAnswer(`## Ferry\n\nIt leaves every hour and a half. <cite source="s1">${quote}</cite>`);
    }
  });
}

const settings: RunsSettings = { leaseMs: 600_000, relookMs: 600_000, pollMs: 200 };
const workplace = temporaryFolder();

/** All roles as their mains start them, here in one process; the gateway by a door of its own, as its role. */
async function startFleet() {
  const [redis, database] = [await ownRedis(), await freshDatabase()];
  const watched = await watch(redis.url);
  const web = await startWeb();
  const model = await startModel(web);
  const lines: string[] = [];
  const logger = (role: string) => jsonLogger(role, 'debug', (line) => lines.push(line));
  const config = readConfig({
    ...{ ARGOSY_MODEL: specOf(model), ARGOSY_EGRESS_ALLOW: web.allow, ARGOSY_BROWSER: 'off' },
    ...{ ARGOSY_SECRETS_KEY: randomBytes(32).toString('base64'), ARGOSY_OWN_KEYS: 'brave,openalex' },
    ARGOSY_SEARCH_PROVIDERS: `brave=http://${web.brave.host},openalex=http://${web.openalex.host}`,
  });
  const stores = { databaseUrl: database.url, redisUrl: redis.url };
  const [worker, front] = [
    await openFleet(stores, settings, logger('worker')),
    await openFleet({ ...stores, role: 'argosy_gateway' }, settings, logger('gateway')),
  ];
  const wrapping = secretsKeyOf(config.ARGOSY_SECRETS_KEY);
  const models = await configuredModels(config);
  const providers = searchProviders(config);
  const names = providers.map(({ name }) => name);
  const corpora = await Corpora.open(workplace, { segments: worker.runs.corpora });
  const secrets = worker.secrets({ wrapping });
  const { pace, evidence } = worker;
  const reads = { out: wayOut(config), providers, secrets, reader: null, logger: logger('tool-worker') };
  const toolbox = openToolbox({ corpora, pace, evidence, ...reads });
  const around = {
    runs: worker.runs,
    models: models.byName,
    tools: toolSignatures(names),
    now: () => performance.now(),
  };
  const agents = await AgentWorker.start(around, { workerId: 'agent', concurrency: 1 }, logger('agent-worker'));
  const calls = { workerId: 'tool', concurrency: 2 };
  const tools = await ToolWorker.start(worker.runs, toolbox.tools, calls, logger('tool-worker'));
  const dispatcher = new Dispatcher(worker.runs, { workerId: 'dispatcher', everyMs: 200 }, logger('dispatcher'));
  dispatcher.start();
  const pepper = randomBytes(32);
  const keys = front.runs.keys({ pepper, env: 'test' });
  const kept = front.secrets({ wrapping });
  const offer = {
    models: models.offered,
    defaultModel: models.defaultName,
    providers: names,
    knowsCorpus: () => false,
  };
  const gateway = await Gateway.start(
    front.runs,
    offer,
    {
      ...{ host: '127.0.0.1', port: 0, tenantId: 'local', signingKey, keys },
      ...{ secrets: { store: kept, names: secretNames }, health: { ...alwaysReady, metrics: metricsText } },
      allowance: { rates: front.rates, limits: parseLimits(undefined) },
    },
    logger('gateway'),
  );
  const stop = async (): Promise<void> => {
    await gateway.stop();
    await dispatcher.stop();
    for (const one of [agents, tools]) await one.stop(0);
    await toolbox.close();
    await corpora.close();
    for (const one of [keys, kept, secrets, worker, front] satisfies Pick<FleetRuns, 'close'>[]) await one.close();
    watched.close();
    await model.close();
    await redis.stop();
    await database.drop();
  };
  return {
    url: gateway.url,
    databaseUrl: database.url,
    key: await keyFor(database.url, pepper),
    watched,
    lines,
    model,
    web,
    stop,
  };
}

/** What an operator makes for a tenant. */
async function keyFor(databaseUrl: string, pepper: Uint8Array): Promise<string> {
  const operator = await openOperator(databaseUrl);
  const keys = operator.keys({ pepper, env: 'test' });
  await keys.ensureTenant(tenantId);
  const { text } = await keys.create({ tenantId, actor: 'operator' }, { name: 'canary', scopes, expiresAt: null });
  await operator.close();
  return text;
}

type Fleet = Awaited<ReturnType<typeof startFleet>>;

interface Sent {
  readonly method?: string;
  readonly body?: string;
  readonly key?: string | null;
}

/** All that was answered, headers included. */
async function ask({ url, key: own }: Fleet, path: string, { method = 'GET', body, key = own }: Sent = {}) {
  const headers = {
    ...(key === null ? {} : { authorization: `Bearer ${key}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const response = await fetch(new URL(path, url), { method, headers, ...(body === undefined ? {} : { body }) });
  const text = await response.text();
  return { status: response.status, text, all: `${JSON.stringify([...response.headers])}${text}` };
}

/** Requests that are refused, each with a secret or the key in a place where it may be repeated. */
async function refusals(fleet: Fleet): Promise<string[]> {
  const { key } = fleet;
  const put = { method: 'PUT', body: JSON.stringify({ value: marks.brave }) };
  const answers = [
    await ask(fleet, '/v1/secrets/search.google', put),
    await ask(fleet, `/v1/secrets/${marks.brave}`, put),
    await ask(fleet, `/v1/secrets/${marks.brave}`, { method: 'DELETE' }),
    await ask(fleet, '/v1/secrets/search.brave', { ...put, body: `{"value":"${marks.brave}` }),
    await ask(fleet, '/v1/secrets/search.brave', { ...put, body: JSON.stringify({ value: ` ${marks.brave}` }) }),
    await ask(fleet, `/v1/research?api_key=${key}`),
    await ask(fleet, '/v1/research', { method: 'POST', body: JSON.stringify({ question, api_key: key }) }),
    await ask(fleet, '/v1/research', { key: `${key}x` }),
    await ask(fleet, '/v1/research', { key: key.replace(/.$/, (last) => (last === '0' ? '1' : '0')) }),
    await ask(fleet, '/v1/nothing', { body: key, method: 'POST' }),
  ];
  for (const { status, text } of answers) expect([text, status >= 400 && status < 500]).toEqual([text, true]);
  return answers.map(({ all }) => all);
}

const describeOwn = canOwnServers ? describe : describe.skip;

describeOwn('what must stay where it belongs (needs servers of its own)', () => {
  let fleet: Fleet;
  let receiver: OtlpReceiver;
  let telemetry: Telemetry;
  /** Every answer of the gateway, by what it was to. */
  const answers = new Map<string, string>();
  beforeAll(async () => {
    receiver = await startOtlpReceiver();
    const sending = readConfig({ ARGOSY_OTLP_URL: receiver.url, ARGOSY_OTLP_METRICS_MS: '500' });
    telemetry = await startTelemetry(
      'test',
      sending,
      jsonLogger('test', 'error', () => undefined),
    );
    fleet = await startFleet();
    for (const [name, value] of [
      ['search.brave', marks.brave],
      ['search.openalex', marks.openalex],
    ]) {
      const set = await ask(fleet, `/v1/secrets/${name}`, { method: 'PUT', body: JSON.stringify({ value }) });
      expect(set.status).toBe(200);
      answers.set(`set ${name}`, set.all);
    }
    const body = JSON.stringify({ question, sources: { web: true } });
    const accepted = await ask(fleet, '/v1/research', { method: 'POST', body });
    const { id } = acceptedResource.parse(JSON.parse(accepted.text));
    // Ends with the run.
    for (const path of ['/events', '', '/report.md', '/bundle.tar']) {
      answers.set(`run${path}`, (await ask(fleet, `/v1/research/${id}${path}`)).all);
    }
    const { text } = await ask(fleet, `/v1/research/${id}`);
    const { report } = runResource.parse(JSON.parse(text));
    expect(report).toMatchObject({ status: 'completed', claims: [{ verdict: 'supported' }] });
    for (const [at, all] of (await refusals(fleet)).entries()) answers.set(`refusal ${at}`, all);
    for (const path of ['/v1/secrets', '/v1/keys', '/v1/usage', '/metrics']) {
      answers.set(path, (await ask(fleet, path)).all);
    }
    expect(answers.get('/metrics')).toContain('argosy_tool_call_duration_seconds_count');
  }, 60_000);
  afterAll(async () => {
    await fleet?.stop();
    await telemetry?.stop(5_000);
    await receiver?.close();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  const secretsOf = ({ key }: Fleet) => ({
    key,
    secret: key.split('_')[3] ?? key,
    brave: marks.brave,
    openalex: marks.openalex,
  });
  /** Which of some texts stand in another. */
  const found = (texts: Readonly<Record<string, string>>, where: string) =>
    Object.entries(texts).flatMap(([name, text]) => (where.includes(text) ? [name] : []));

  it('is used where it is meant to be, and found by whoever looks there', async () => {
    const { brave, openalex } = fleet.web;
    expect(brave.seen.map(({ headers }) => headers['x-subscription-token'])).toEqual([marks.brave]);
    expect(openalex.seen.length).toBeGreaterThan(0);
    for (const { url } of openalex.seen) expect(url).toContain(`api_key=${marks.openalex}`);
    expect(JSON.stringify(fleet.model.requests).includes('openalex: 127.0.0.1 broke the connection off')).toBe(true);
    const record = await recordOf(fleet.databaseUrl);
    expect(found(marks, record.get('argosy.runs') ?? '')).toEqual(['question']);
    expect(found(marks, record.get('argosy.blobs') ?? '')).toEqual(['page']);
    expect(found({ page: quote }, record.get('argosy.evidence') ?? '')).toEqual(['page']);
    // What may be seen is: the looks below would see the rest.
    const [run] = await rowsOf<{ run_id: string }>(fleet.databaseUrl, 'SELECT run_id FROM argosy.runs');
    const id = { id: run?.run_id ?? 'no run' };
    expect(found(id, await contentsOf(fleet.watched.redis))).toEqual(['id']);
    expect(found(id, fleet.watched.commands.join('\n'))).toEqual(['id']);
    expect(found(id, fleet.lines.join(''))).toEqual(['id']);
    expect(found(id, JSON.stringify([...answers]))).toEqual(['id']);
  });

  it('is, of keys and secrets, neither in Redis nor on its way through it; nor question or page', async () => {
    const texts = { ...secretsOf(fleet), ...marks };
    expect(found(texts, await contentsOf(fleet.watched.redis))).toEqual([]);
    expect(fleet.watched.commands.filter((command) => found(texts, command).length > 0)).toEqual([]);
  });

  it('is, of keys and secrets, in no line of any log; nor question or page', () => {
    expect(fleet.lines.filter((line) => found({ ...secretsOf(fleet), ...marks }, line).length > 0)).toEqual([]);
  });

  it('is, of keys and secrets, in no span and no metric that is sent; nor question, page or where it was read', async () => {
    const isLast = ({ attributes }: ReceivedSpan) => attributes['argosy.step.event'] === 'answer-checked';
    const arrived = async () => (receiver.spans.some(isLast) && receiver.metrics.size > 0 ? true : null);
    await eventually(arrived, 'the last step and the metrics');
    const fetched = receiver.spans.filter(({ name }) => name === 'fetch');
    expect(fetched.map(({ failed }) => failed)).toContain(true);
    expect(fetched.map(({ attributes }) => attributes['http.response.status_code'])).toContain(200);
    expect(receiver.spans.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'step',
        'chat scripted',
        'execute_tool scholar',
        'execute_tool search',
        'execute_tool visit',
      ]),
    );
    const sent = Buffer.concat([...receiver.bytes]).toString('latin1');
    const texts = {
      ...secretsOf(fleet),
      ...marks,
      quote,
      path: '/ferry',
      answer: 'hour and a half',
      query: 'ferry timetable',
    };
    expect(found(texts, sent)).toEqual([]);
  });

  it('is not told to the web or to a model which trace it is asked in', () => {
    const { brave, openalex } = fleet.web;
    const asked = [...brave.seen, ...openalex.seen, ...fleet.model.requests].map(({ headers }) => Object.keys(headers));
    expect(asked.flat().filter((name) => /trace/.test(name))).toEqual([]);
  });

  it('is, of keys and secrets, in no answer: refusals, events, report, bundle, lists and metrics', () => {
    const told = [...answers].filter(([, all]) => found(secretsOf(fleet), all).length > 0);
    expect(told).toEqual([]);
    expect(found(marks, answers.get('/metrics') ?? '')).toEqual([]);
  });

  it('is, of keys and secrets, nothing that a model is sent', () => {
    const sent = fleet.model.requests.map((request) => JSON.stringify(request));
    expect(sent.length).toBeGreaterThanOrEqual(4);
    expect(sent.filter((request) => found(secretsOf(fleet), request).length > 0)).toEqual([]);
  });

  it('is, of keys and secrets, in no row of the database, the audit log among them', async () => {
    const record = await recordOf(fleet.databaseUrl);
    expect([...record].filter(([, rows]) => found(secretsOf(fleet), rows).length > 0)).toEqual([]);
    const audit = record.get('argosy.audit_log') ?? '';
    for (const entry of ['key.created', 'secret.set', 'search.brave']) expect(audit).toContain(entry);
    expect(found(marks, audit)).toEqual([]);
  });
});
