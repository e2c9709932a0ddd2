import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { childOf, newTraceparent, traceIdOf } from '#platform';
import { acceptanceOf, asked, placed, requestOf, searchOf } from '../../../test/support/research.ts';
import type { Bell, Doorbell, FaultyRing, Ring } from './doorbell/doorbell.ts';
import { Runs } from './runs.ts';
import { claimCall } from './store/calls.ts';
import { claim } from './store/claims.ts';
import { callIdOf } from './store/log.ts';
import { describeStores } from './store/stores.contract.ts';
import { renewLease } from './store/workers.ts';

const form = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]$/;

describeStores((stores) => {
  const database = () => stores().database;
  const settings = { leaseMs: 600_000, relookMs: 600_000, pollMs: 50 };
  const tenantId = 'traced';
  const call = placed(searchOf('a'), 0);

  let runs: Runs;
  let doorbells: Doorbell[] = [];

  beforeEach(async () => {
    doorbells = [await stores().doorbell(), await stores().doorbell()];
    const [doorbell] = doorbells as [Doorbell];
    runs = new Runs({ database: database(), doorbell, bus: stores().bus, tail: stores().tail }, settings);
    await renewLease(database(), { workerId: 'agent', role: 'agent-worker', slots: 1 }, 600_000);
    await renewLease(database(), { workerId: 'tools', role: 'tool-worker', slots: 1 }, 600_000);
  });
  afterEach(async () => {
    for (const doorbell of doorbells) await doorbell.close();
    await database().script('TRUNCATE argosy.steps, argosy.events, argosy.tool_calls, argosy.runs');
  });

  /** The next ring of a bell, as another process hears it. */
  async function heard(bell: Bell): Promise<{ ring: Promise<Ring> }> {
    const { promise, resolve } = Promise.withResolvers<Ring>();
    await doorbells[1]?.answer(bell, async (ring) => resolve(ring), { concurrency: 1 });
    return { ring: promise };
  }

  async function owned(runId: string) {
    const owner = await claim(database(), tenantId, runId, 'agent');
    if (owner === null) throw new Error('A new run can be claimed.');
    return owner;
  }

  it('goes with a run from its acceptance into its row, its ring and its claim', async () => {
    const traceparent = newTraceparent();
    const { ring } = await heard('runs');
    await runs.accept(acceptanceOf(tenantId, 'run-1', { traceparent }));
    await runs.dispatch();
    expect(await ring).toMatchObject({ runId: 'run-1', traceparent });
    expect((await owned('run-1')).traceparent).toBe(traceparent);
  });

  it('goes on with a step into its row, and into the row, the ring and the claim of its calls', async () => {
    await runs.accept(acceptanceOf(tenantId, 'run-2'));
    const owner = await owned('run-2');
    const traceparent = childOf(owner.traceparent);
    const step = { number: 1, event: asked(call), answered: [] };
    await runs.commit(owner, { step, events: [], intents: [call], traceparent });
    const { rows } = await database().query('SELECT span_id FROM argosy.steps');
    expect(rows).toEqual([{ span_id: traceparent.slice(36, 52) }]);

    const { ring } = await heard('calls');
    const enough = new AbortController();
    const outcomes = runs.callTools(owner, [call], enough.signal);
    expect(await ring).toMatchObject({ callId: callIdOf('run-2', call), traceparent });
    enough.abort();
    await outcomes;
    const key = { tenantId, runId: 'run-2', callId: callIdOf('run-2', call) };
    expect(await claimCall(database(), key, 'tools')).toMatchObject({ traceparent });
  });

  it('is made for whatever an older release wrote without it', async () => {
    await database().query(
      `INSERT INTO argosy.runs (tenant_id, run_id, state, request, schema_version, request_sha256)
       SELECT $1, 'run-' || n, 'queued', $2::jsonb, 1, '' FROM generate_series(3, 4) AS n`,
      [tenantId, JSON.stringify(requestOf())],
    );
    const [first, second] = [await owned('run-3'), await owned('run-4')];
    expect(first.traceparent).toMatch(form);
    expect(second.traceparent).toMatch(form);
    expect(traceIdOf(first.traceparent)).not.toBe(traceIdOf(second.traceparent));
    const step = { number: 1, event: asked(call), answered: [] };
    await runs.commit(first, { step, events: [], intents: [call] });
    const key = { tenantId, runId: 'run-3', callId: callIdOf('run-3', call) };
    expect(await claimCall(database(), key, 'tools')).toMatchObject({ traceparent: first.traceparent });
  });

  it('names the trace of a ring whose answer failed', async () => {
    const traceparent = newTraceparent();
    await runs.accept(acceptanceOf(tenantId, 'run-5', { traceparent }));
    const { promise: told, resolve } = Promise.withResolvers<FaultyRing>();
    const member = await runs.join({ workerId: 'failing', role: 'agent-worker', slots: 1 });
    const onFault = (_error: unknown, ring: FaultyRing): void => resolve(ring);
    const answering = await runs.answerRuns(member, { concurrency: 1, onFault }, () => Promise.reject(new Error('no')));
    await runs.dispatch();
    expect(await told).toEqual({ runId: 'run-5', traceId: traceIdOf(traceparent) });
    await answering.close();
    await member.end();
  });
});
