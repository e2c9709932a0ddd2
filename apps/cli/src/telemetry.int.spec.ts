import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AgentWorker } from '#agent-worker';
import { acceptedResource } from '#contracts';
import { Dispatcher } from '#dispatcher';
import { toolKinds } from '#domain';
import { Gateway } from '#gateway';
import { configuredModels } from '#model';
import { alwaysReady, jsonLogger, metricsText, readConfig, startTelemetry, type Telemetry, traceIdOf } from '#platform';
import { openFleet, openOperator, type Runs, type RunsSettings } from '#runs';
import { ToolWorker } from '#tool-worker';
import { type Tool, toolSignatures } from '#tools';
import { eventually } from '../../../test/support/argosy.ts';
import { ringsOf, rowsOf } from '../../../test/support/fleet-records.ts';
import { type ModelServer, startModelServer } from '../../../test/support/model-server.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../../../test/support/otlp-receiver.ts';
import { namingFaults, parsePrometheus, reading } from '../../../test/support/prometheus.ts';
import { observationOf } from '../../../test/support/research.ts';
import { specOf, thinkAndAnswer, thinkAndCall } from '../../../test/support/scripted-research.ts';
import { signingKey } from '../../../test/support/sealing.ts';
import { canOwnServers, freshDatabase, ownRedis } from '../../../test/support/servers.ts';

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
const caller = '00f067aa0ba902b7';
const header = `00-${trace}-${caller}-01`;

/** A question that the model's server refuses. */
const hopeless = 'What can nobody say?';

/** A tool that finds a text, whatever it is asked. */
const visit: Tool = {
  signature: toolSignatures([]).find(({ name }) => name === 'visit') ?? {
    name: 'visit',
    description: '',
    parameters: {},
  },
  deadlineMs: 10_000,
  sideEffects: false,
  run: async () => ({ observation: observationOf('A text.'), snapshots: new Map([]) }),
};

interface Fleet {
  readonly url: string;
  readonly model: ModelServer;
  readonly runs: Runs;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly lines: readonly Record<string, unknown>[];
  close(): Promise<void>;
}

/** All roles as mains start them, here in one process and on stores of their own. */
async function startFleet(): Promise<Fleet> {
  const [redis, database] = [await ownRedis(), await freshDatabase()];
  const answer = thinkAndAnswer('## Done');
  const model = await startModelServer(({ body }) => {
    if (body.messages.some(({ content }) => content.includes(hopeless))) {
      return { fault: { kind: 'status', status: 400, message: 'no such thing' } };
    }
    return body.messages.some(({ content }) => content.startsWith('<tool_response>'))
      ? answer
      : thinkAndCall('visit', { url: ['https://example.org/'], goal: 'a text' });
  });
  const settings: RunsSettings = { leaseMs: 600_000, relookMs: 600_000, pollMs: 200 };
  const { runs, close } = await openFleet({ databaseUrl: database.url, redisUrl: redis.url }, settings);
  const lines: Record<string, unknown>[] = [];
  const logger = (role: string) => jsonLogger(role, 'info', (line) => lines.push(JSON.parse(line)));
  const models = await configuredModels(readConfig({ ARGOSY_MODEL: specOf(model), ARGOSY_MODEL_TRACE: 'on' }));
  const around = { runs, models: models.byName, tools: toolSignatures([]), now: () => performance.now() };
  const agents = await AgentWorker.start(around, { workerId: 'agent', concurrency: 3 }, logger('agent-worker'));
  const tools = await ToolWorker.start(runs, [visit], { workerId: 'tool', concurrency: 2 }, logger('tool-worker'));
  const dispatcher = new Dispatcher(runs, { workerId: 'dispatcher', everyMs: 200 }, logger('dispatcher'));
  dispatcher.start();
  const offer = { models: models.offered, defaultModel: models.defaultName, providers: [], knowsCorpus: () => true };
  const health = { ...alwaysReady, metrics: metricsText };
  const options = { host: '127.0.0.1', port: 0, tenantId: 'local', signingKey, health };
  const gateway = await Gateway.start(runs, offer, options, logger('gateway'));
  return {
    url: gateway.url,
    model,
    runs,
    databaseUrl: database.url,
    redisUrl: redis.url,
    lines,
    async close() {
      for (const part of [gateway, dispatcher]) await part.stop();
      for (const worker of [agents, tools]) await worker.stop(0);
      await close();
      await model.close();
      await redis.stop();
      await database.drop();
    },
  };
}

const describeOwn = canOwnServers ? describe : describe.skip;

describeOwn('a fleet that is measured (needs servers that may be killed)', () => {
  let fleet: Fleet;
  let receiver: OtlpReceiver;
  let telemetry: Telemetry;
  beforeAll(async () => {
    receiver = await startOtlpReceiver();
    const { url } = receiver;
    // No share at all: what arrives was asked for by its caller, or is worth it.
    const settings = { ARGOSY_OTLP_URL: url, ARGOSY_TRACE_RATIO: '0', ARGOSY_OTLP_METRICS_MS: '500' };
    const logger = jsonLogger('test', 'error', () => undefined);
    telemetry = await startTelemetry(
      'test',
      readConfig({ ...settings, ARGOSY_OTLP_HEADERS: 'x-key=secret-of-receiver' }),
      logger,
    );
    fleet = await startFleet();
  });
  afterAll(async () => {
    await fleet.close();
    await telemetry.stop(5_000);
    await receiver.close();
  });

  /** Has a run done. @returns its id */
  async function research(headers: Readonly<Record<string, string>>, question = 'What is there?'): Promise<string> {
    const body = JSON.stringify({ question, sources: { urls: ['https://example.org/'] } });
    const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body };
    const response = await fetch(new URL('/v1/research', fleet.url), init);
    expect(response.status).toBe(202);
    const { id } = acceptedResource.parse(await response.json());
    // Ends with the run.
    const events = await (await fetch(new URL(`/v1/research/${id}/events`, fleet.url))).text();
    expect(events).toContain(question === hopeless ? 'event: run.failed' : 'event: run.completed');
    return id;
  }

  /** Spans by name once there are as many steps of a run as this, and all that was under them. */
  async function spansOf(runId: string, steps: number): Promise<Map<string, ReceivedSpan[]>> {
    return await eventually(async () => {
      const own = receiver.spans.filter(
        ({ name, attributes }) => name === 'step' && attributes['argosy.run.id'] === runId,
      );
      // The first two links of a step: its run, and the step before.
      const traces = new Set([...own, ...own.flatMap(({ links }) => links)].map(({ traceId }) => traceId));
      const all = Map.groupBy(
        receiver.spans.filter(({ traceId }) => traces.has(traceId)),
        ({ name }) => name,
      );
      return own.length >= steps && (all.get('commit')?.length ?? 0) >= steps ? all : null;
    }, `${steps} steps of ${runId}`);
  }

  const scrape = async () => parsePrometheus(await (await fetch(new URL('/metrics', fleet.url))).text());

  /** Waits until what is there of this metric is nothing. */
  const settled = async (name: string, labels: Readonly<Record<string, string>> = {}): Promise<void> =>
    await eventually(async () => {
      const families = await scrape();
      return families.has(name) && reading(families, name, labels) === 0 ? true : null;
    }, `${name} to be 0`).then(() => undefined);

  it("carries the caller's trace into the rows, the rings and the logs, and gives each step one of its own", async () => {
    const runId = await research({ traceparent: header });
    const select = async (sql: string) => await rowsOf<Record<string, string>>(fleet.databaseUrl, sql);
    const [run] = await select(`SELECT traceparent FROM argosy.runs WHERE run_id = '${runId}'`);
    const calls = await select(`SELECT traceparent FROM argosy.tool_calls WHERE run_id = '${runId}'`);
    const steps = await select(`SELECT trace_id, span_id FROM argosy.steps WHERE run_id = '${runId}' ORDER BY step_no`);
    const [runRing] = await ringsOf(fleet.redisUrl, 'runs');
    const [callRing] = await ringsOf(fleet.redisUrl, 'calls');
    const asked = fleet.model.requests.map(({ headers }) => String(headers['traceparent']));

    expect(run?.['traceparent']).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`));
    expect(run?.['traceparent']).not.toBe(header);
    expect(runRing).toMatchObject({ runId, traceparent: run?.['traceparent'] });
    // Model, tools, model, check: each step in a trace of its own, and the call in that of the step that asked for it.
    expect(new Set([trace, ...steps.map((step) => step['trace_id'])]).size).toBe(5);
    expect(asked.map(traceIdOf)).toEqual([steps[0]?.['trace_id'], steps[2]?.['trace_id']]);
    const first = `00-${steps[0]?.['trace_id']}-${steps[0]?.['span_id']}-01`;
    expect(calls).toEqual([{ traceparent: first }]);
    expect(callRing).toMatchObject({ runId, traceparent: first });
    const told = await eventually(async () => {
      const lines = fleet.lines.filter((line) => line['runId'] === runId);
      return lines.length === 2 ? lines : null;
    }, 'two lines about the run');
    const traces = Object.fromEntries(told.map((line) => [line['event'], line['trace_id']]));
    expect(traces).toEqual({ 'run driven': trace, 'tool called': traceIdOf(first) });
  });

  it('sends spans that are connected, by parents and links, from the request to the tool and the model', async () => {
    const runId = await research({ traceparent: header });
    const spans = await spansOf(runId, 4);
    const asked = fleet.model.requests.slice(-2).map(({ headers }) => String(headers['traceparent']));
    const at = (one: ReceivedSpan | undefined) => ({ traceId: one?.traceId, spanId: one?.spanId });
    const under = (one: ReceivedSpan | undefined) => ({ traceId: one?.traceId, parentId: one?.spanId });

    const wait = spans.get('wait runs')?.find(({ attributes }) => attributes['argosy.run.id'] === runId);
    const request = spans.get('POST /v1/research')?.find(({ spanId }) => spanId === wait?.parentId);
    expect(request).toMatchObject({
      traceId: trace,
      parentId: caller,
      attributes: { 'http.response.status_code': 202 },
    });
    expect(request?.resource).toMatchObject({ 'service.namespace': 'argosy', 'service.name': 'test' });
    const steps = (spans.get('step') ?? []).toSorted((a, b) => a.startMs - b.startMs);
    expect(steps.map(({ attributes }) => attributes['argosy.step.event'])).toEqual([
      ...['model-replied', 'tools-returned', 'model-replied', 'answer-checked'],
    ]);
    expect(steps.map(({ parentId }) => parentId)).toEqual(['', '', '', '']);
    const before = [[], ...steps.slice(0, 3).map((step) => [at(step)])];
    expect(steps.map(({ links }) => links)).toEqual(before.map((links) => [at(request), ...links]));
    const chats = steps.flatMap((step) =>
      spans.get('chat scripted')?.filter(({ traceId }) => traceId === step.traceId),
    );
    expect(chats).toMatchObject([under(steps[0]), under(steps[2])]);
    expect(chats[0]?.attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'scripted',
      'gen_ai.conversation.id': runId,
      'gen_ai.usage.output_tokens': expect.any(Number),
    });
    const tries = chats.map((chat) => spans.get('ask model')?.find(({ traceId }) => traceId === chat?.traceId));
    expect(tries).toMatchObject(chats.map(under));
    expect(asked).toEqual(tries.map((one) => `00-${one?.traceId}-${one?.spanId}-01`));
    const [tool] = spans.get('execute_tool visit') ?? [];
    expect([spans.get('wait calls')?.[0], tool]).toMatchObject([under(steps[0]), under(steps[0])]);
    expect(tool?.attributes).toMatchObject({ 'gen_ai.tool.name': 'visit', 'argosy.outcome': 'done' });
    const commits = spans.get('commit') ?? [];
    expect(steps.map((step) => commits.some(({ parentId }) => parentId === step.spanId))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    for (const one of [...spans.values()].flat()) expect(one.endMs).toBeGreaterThanOrEqual(one.startMs);
  });

  it('keeps of what is not sampled the steps that failed, whole, and nothing of the rest', async () => {
    const fine = await research({});
    const failed = await research({}, hopeless);
    const spans = await spansOf(failed, 1);
    expect(spans.get('step')).toMatchObject([
      { failed: true, attributes: { 'argosy.step.event': 'model-failed', 'error.type': 'model_failed' } },
    ]);
    expect(spans.get('chat scripted')).toMatchObject([
      { failed: true, attributes: { 'error.type': 'model_unavailable' } },
    ]);
    expect(spans.get('ask model')).toMatchObject([{ failed: true, attributes: { 'error.type': 'invalid' } }]);
    // Was over before the other one began.
    expect(receiver.spans.filter(({ attributes }) => attributes['argosy.run.id'] === fine)).toEqual([]);
  });

  it('reports the metrics that Prometheus reads, with the key of the receiver, and neither with what was asked', async () => {
    const scraped = [...(await scrape()).keys()].filter((name) => name.startsWith('argosy_'));
    await eventually(async () => (scraped.every((name) => receiver.metrics.has(name)) ? true : null), 'all metrics');
    expect(new Set(receiver.requests.map(({ path, headers }) => `${path} ${headers['x-key']}`))).toEqual(
      new Set(['/v1/traces secret-of-receiver', '/v1/metrics secret-of-receiver']),
    );
    const sent = Buffer.concat(receiver.bytes).toString('latin1');
    expect(sent).toContain('argosy.step.event');
    expect(sent).not.toMatch(/What is there|can nobody say|example\.org\/|A text\.|secret/);
  });

  it('shows what a model was asked and what it answered where the tenant wants it, and nowhere else', async () => {
    const operator = await openOperator(fleet.databaseUrl);
    // The gateway goes by what it has read for five seconds.
    const known = async (wanted: boolean) =>
      await eventually(
        async () => ((await fleet.runs.tenants.settings('local')).trace_content === wanted ? true : null),
        'the gateway to know the setting',
      );
    await operator.tenants.create({ tenantId: 'local', name: 'Local' }, { trace_content: true });
    await known(true);
    const shown = await spansOf(await research({ traceparent: header }, 'What may be shown?'), 4);
    await operator.tenants.update('local', { trace_content: false });
    await known(false);
    await operator.close();
    const hidden = await spansOf(await research({ traceparent: header }, 'What may be shown?'), 4);
    const contents = (spans: typeof shown) =>
      (spans.get('chat scripted') ?? []).map(({ attributes }) => [
        String(attributes['gen_ai.input.messages']).includes('What may be shown?'),
        String(attributes['gen_ai.output.messages']).includes('<think>'),
      ]);
    expect([contents(shown), contents(hidden)]).toEqual([
      [
        [true, true],
        [true, true],
      ],
      [
        [false, false],
        [false, false],
      ],
    ]);
  });

  it.each([
    ['a malformed header', { traceparent: `00-${trace.toUpperCase()}-nonsense` }],
    ['no header', {}],
  ])('begins a trace of its own for %s, and fails nothing', async (_what, headers) => {
    const runId = await research(headers);
    const sql = `SELECT traceparent FROM argosy.runs WHERE run_id = '${runId}'`;
    const [run] = await rowsOf<{ traceparent: string }>(fleet.databaseUrl, sql);
    expect(run?.traceparent).toMatch(/^00-(?!0{32})[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(run?.traceparent).not.toContain(trace);
  });

  it('says in its metrics what it did', async () => {
    const before = await scrape();
    const delta = async (name: string, labels: Readonly<Record<string, string>> = {}) =>
      reading(await scrape(), name, labels) - reading(before, name, labels);
    await research({});
    await fetch(new URL('/v1/research/run_nowhere', fleet.url));
    await fetch(new URL('/nothing/here?token=secret', fleet.url));

    const accepted = { route: '/v1/research', method: 'POST', status: '2xx' };
    expect(await delta('argosy_gateway_requests_total', accepted)).toBe(1);
    expect(await delta('argosy_gateway_requests_total', { route: '/v1/research/:id', status: '4xx' })).toBe(1);
    expect(await delta('argosy_gateway_requests_total', { route: 'none' })).toBe(1);
    expect(await delta('argosy_gateway_request_duration_seconds_count', { route: '/v1/research' })).toBe(1);
    expect(await delta('argosy_gateway_refusals_total', { code: 'not_found' })).toBe(2);
    expect(await delta('argosy_run_claims_total')).toBe(1);
    expect(await delta('argosy_steps_committed_total')).toBe(4);
    expect(await delta('argosy_rings_sent_total', { bell: 'runs' })).toBe(1);
    expect(await delta('argosy_rings_sent_total', { bell: 'calls' })).toBe(1);
    expect(await delta('argosy_model_call_duration_seconds_count', { outcome: 'replied' })).toBe(2);
    expect(await delta('argosy_model_tokens_total', { kind: 'completion' })).toBeGreaterThan(0);
    expect(await delta('argosy_tool_call_duration_seconds_count', { tool: 'visit', outcome: 'done' })).toBe(1);
    // Three steps and the end; the run that has ended is not handed back, and that is no refusal by the fence.
    expect(await delta('argosy_commit_batch_commits_sum')).toBeGreaterThanOrEqual(4);
    expect(await delta('argosy_commits_refused_total')).toBe(0);
    expect(await delta('argosy_run_hand_backs_total')).toBe(0);
  });

  it('says in its metrics how it stands', async () => {
    // What is counted of the stores is as old as the last counting; what has ended for its client ends here soon after.
    for (const state of ['waiting', 'running']) await settled('argosy_tool_calls', { kind: 'visit', state });
    for (const name of ['argosy_runs_in_flight', 'argosy_tool_calls_in_flight', 'argosy_gateway_event_streams'])
      await settled(name);
    const families = await scrape();
    expect(reading(families, 'argosy_dispatcher_leader')).toBe(1);
    expect(reading(families, 'argosy_workers', { role: 'agent-worker' })).toBe(1);
    expect(reading(families, 'argosy_worker_slots', { role: 'agent-worker' })).toBe(3);
    expect(reading(families, 'argosy_worker_slots', { role: 'tool-worker' })).toBe(2);
    for (const kind of toolKinds) expect(reading(families, 'argosy_tool_workers', { kind })).toBe(1);
    expect(reading(families, 'argosy_tool_calls_oldest_wait_seconds', { kind: 'visit' })).toBe(0);
    expect(families.get('argosy_runs')?.samples.map(({ labels }) => labels['state'])).toEqual(['queued', 'running']);
    for (const name of ['argosy_leases_lost_total', 'argosy_rings_lost_total', 'argosy_put_back_total']) {
      expect([name, families.has(name), reading(families, name)]).toEqual([name, true, 0]);
    }
  });

  it('names its metrics by the rules, and no id, address or question gets into them', async () => {
    await research({ traceparent: header });
    const text = await (await fetch(new URL('/metrics', fleet.url))).text();
    expect(namingFaults(parsePrometheus(text).values())).toEqual([]);
    expect(text).not.toMatch(new RegExp(`${trace}|example\\.org|What is there|secret|nowhere|local"`));
  });
});
