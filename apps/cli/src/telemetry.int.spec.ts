import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AgentWorker } from '#agent-worker';
import { acceptedResource } from '#contracts';
import { Dispatcher } from '#dispatcher';
import { toolKinds } from '#domain';
import { Gateway } from '#gateway';
import { configuredModels } from '#model';
import { alwaysReady, jsonLogger, metricsText, readConfig, startMetrics, traceIdOf } from '#platform';
import { openFleet, type RunsSettings } from '#runs';
import { ToolWorker } from '#tool-worker';
import { type Tool, toolSignatures } from '#tools';
import { eventually } from '../../../test/support/argosy.ts';
import { ringsOf, rowsOf } from '../../../test/support/fleet-records.ts';
import { type ModelServer, startModelServer } from '../../../test/support/model-server.ts';
import { namingFaults, parsePrometheus, reading } from '../../../test/support/prometheus.ts';
import { observationOf } from '../../../test/support/research.ts';
import { specOf, thinkAndAnswer, thinkAndCall } from '../../../test/support/scripted-research.ts';
import { signingKey } from '../../../test/support/sealing.ts';
import { canOwnServers, freshDatabase, ownRedis } from '../../../test/support/servers.ts';

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
const header = `00-${trace}-00f067aa0ba902b7-01`;

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
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly lines: readonly Record<string, unknown>[];
  close(): Promise<void>;
}

/** All roles as mains start them, here in one process and on stores of their own. */
async function startFleet(): Promise<Fleet> {
  const [redis, database] = [await ownRedis(), await freshDatabase()];
  const answer = thinkAndAnswer('## Done');
  const model = await startModelServer(({ body }) =>
    body.messages.some(({ content }) => content.startsWith('<tool_response>'))
      ? answer
      : thinkAndCall('visit', { url: ['https://example.org/'], goal: 'a text' }),
  );
  const settings: RunsSettings = { leaseMs: 600_000, relookMs: 600_000, pollMs: 200 };
  const { runs, close } = await openFleet({ databaseUrl: database.url, redisUrl: redis.url }, settings);
  const lines: Record<string, unknown>[] = [];
  const logger = (role: string) => jsonLogger(role, 'info', (line) => lines.push(JSON.parse(line)));
  const models = await configuredModels(readConfig({ ARGOSY_MODEL: specOf(model) }));
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
  beforeAll(async () => {
    await startMetrics('test');
    fleet = await startFleet();
  });
  afterAll(async () => {
    await fleet.close();
  });

  /** Has a run done. @returns its id */
  async function research(headers: Readonly<Record<string, string>>): Promise<string> {
    const body = JSON.stringify({ question: 'What is there?', sources: { urls: ['https://example.org/'] } });
    const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body };
    const response = await fetch(new URL('/v1/research', fleet.url), init);
    expect(response.status).toBe(202);
    const { id } = acceptedResource.parse(await response.json());
    // Ends with the run.
    const events = await (await fetch(new URL(`/v1/research/${id}/events`, fleet.url))).text();
    expect(events).toContain('event: run.completed');
    return id;
  }

  const scrape = async () => parsePrometheus(await (await fetch(new URL('/metrics', fleet.url))).text());

  it("carries the caller's trace into the rows, the rings, the model's requests and the logs", async () => {
    const runId = await research({ traceparent: header });
    const select = async (sql: string) => await rowsOf<Record<string, string>>(fleet.databaseUrl, sql);
    const [run] = await select(`SELECT traceparent FROM argosy.runs WHERE run_id = '${runId}'`);
    const calls = await select(`SELECT traceparent FROM argosy.tool_calls WHERE run_id = '${runId}'`);
    const steps = await select(`SELECT span_id FROM argosy.steps WHERE run_id = '${runId}' ORDER BY step_no`);
    const rings = [...(await ringsOf(fleet.redisUrl, 'runs')), ...(await ringsOf(fleet.redisUrl, 'calls'))];
    const asked = fleet.model.requests.map(({ headers }) => String(headers['traceparent']));

    expect(run?.['traceparent']).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`));
    expect(run?.['traceparent']).not.toBe(header);
    expect(rings.map((ring) => ring['runId'])).toEqual([runId, runId]);
    for (const ring of rings) expect(traceIdOf(String(ring['traceparent']))).toBe(trace);
    expect(asked.map(traceIdOf)).toEqual([trace, trace]);
    // Model, tools, model, check: each step in a span of its own, and the call in that of the step that asked for it.
    expect(new Set(steps.map((step) => step['span_id'])).size).toBe(4);
    expect(asked.map((traceparent) => traceparent.slice(36, 52))).toEqual([
      steps[0]?.['span_id'],
      steps[2]?.['span_id'],
    ]);
    expect(calls).toEqual([{ traceparent: asked[0] }]);
    const told = await eventually(async () => {
      const lines = fleet.lines.filter((line) => line['runId'] === runId);
      return lines.length === 2 ? lines : null;
    }, 'two lines about the run');
    expect(told.map((line) => line['event']).sort()).toEqual(['run driven', 'tool called']);
    for (const line of told) expect(line['trace_id']).toBe(trace);
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
    const families = await scrape();
    expect(reading(families, 'argosy_dispatcher_leader')).toBe(1);
    expect(reading(families, 'argosy_workers', { role: 'agent-worker' })).toBe(1);
    expect(reading(families, 'argosy_worker_slots', { role: 'agent-worker' })).toBe(3);
    expect(reading(families, 'argosy_worker_slots', { role: 'tool-worker' })).toBe(2);
    for (const kind of toolKinds) expect(reading(families, 'argosy_tool_workers', { kind })).toBe(1);
    for (const state of ['waiting', 'running'])
      expect(reading(families, 'argosy_tool_calls', { kind: 'visit', state })).toBe(0);
    expect(reading(families, 'argosy_tool_calls_oldest_wait_seconds', { kind: 'visit' })).toBe(0);
    expect(families.get('argosy_runs')?.samples.map(({ labels }) => labels['state'])).toEqual(['queued', 'running']);
    for (const name of ['argosy_runs_in_flight', 'argosy_tool_calls_in_flight', 'argosy_gateway_event_streams']) {
      expect(families.has(name)).toBe(true);
      // What has ended for its client comes to its end here, too.
      await eventually(async () => (reading(await scrape(), name) === 0 ? true : null), `${name} to be 0`);
    }
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
