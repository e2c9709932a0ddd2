import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { type ToolKind, toolKinds } from '#domain';
import { keepLooking } from '../../../test/support/looking.ts';
import { acceptanceOf, asked, observationOf, placed, sha256Of } from '../../../test/support/research.ts';
import type { HandedOver, PerformCall } from './calling.ts';
import type { Doorbell } from './doorbell/doorbell.ts';
import type { Membership } from './membership.ts';
import { Runs } from './runs.ts';
import { Scaling } from './scaling/scaling.ts';
import type { CallClaim } from './store/calls.ts';
import { type Claim, claim } from './store/claims.ts';
import { callIdOf } from './store/log.ts';
import { describeStores } from './store/stores.contract.ts';
import { renewLease } from './store/workers.ts';

describeStores((stores) => {
  const database = () => stores().database;
  const settings = { leaseMs: 600_000, relookMs: 200, pollMs: 50 };
  const never = new AbortController().signal;
  const tenantId = 'acme';
  const callOf = (tool: string, index: number) => placed({ tool, args: { about: tool } }, 0, index);
  const [search, visit, nothing] = [callOf('search', 0), callOf('visit', 1), callOf('teleport', 2)];

  let runs: Runs;
  let doorbell: Doorbell;
  let members: Membership[] = [];
  let made = 0;
  /** What was performed, by whom. */
  let performed: string[] = [];

  beforeEach(async () => {
    doorbell = await stores().doorbell();
    runs = new Runs({ database: database(), doorbell, bus: stores().bus, tail: stores().tail }, settings);
    await renewLease(database(), { workerId: 'agent', role: 'agent-worker', slots: 1 }, 600_000);
    performed = [];
  });
  afterEach(async () => {
    await doorbell.close();
    await Promise.all(members.map((member) => member.end()));
    members = [];
    await database().script('TRUNCATE argosy.steps, argosy.events, argosy.tool_calls, argosy.runs, argosy.workers');
  });

  /** A worker that takes some kinds of calls; without any, as those of the release before kinds. */
  async function work(workerId: string, kinds?: readonly ToolKind[], perform?: PerformCall): Promise<void> {
    const takes = kinds === undefined ? {} : { kinds };
    const member = await runs.join({ workerId, role: 'tool-worker', slots: 2, ...takes });
    members.push(member);
    const usual = async (call: CallClaim) => resultOf(workerId, call);
    await runs.answerCalls(member, { concurrency: 2, ...takes }, async (call, signal) => {
      performed.push(`${call.tool} by ${workerId}`);
      return await (perform ?? usual)(call, signal);
    });
  }
  function resultOf(workerId: string, { tool }: CallClaim) {
    const text = `${tool} by ${workerId}`;
    return {
      state: 'done',
      observation: observationOf(text),
      snapshots: new Map([[sha256Of(text), text]]),
    } as const;
  }

  /** A run whose model has asked for these calls. */
  async function acting(calls: readonly ReturnType<typeof callOf>[]): Promise<Claim> {
    made += 1;
    const runId = `run-${made}`;
    await runs.accept(acceptanceOf(tenantId, runId));
    const owner = await claim(database(), tenantId, runId, 'agent');
    if (owner === null) throw new Error('A new run can be claimed.');
    const intents = [...calls];
    await runs.commit(owner, { step: { number: 1, event: asked(...calls), answered: [] }, events: [], intents });
    return owner;
  }
  const censusOf = async (kind: ToolKind) => (await runs.census()).calls.find((one) => one.kind === kind);

  it('has each call performed by a worker that takes its kind, and what is of no kind by anybody', async () => {
    await work('searcher', ['search', 'scholar']);
    await work('visitor', ['visit']);
    const calls = [search, visit, nothing];
    const outcomes = await runs.callTools(await acting(calls), calls, never);
    expect(outcomes?.every(({ late }) => !late)).toBe(true);
    expect(performed.toSorted().slice(0, 1)).toEqual(['search by searcher']);
    expect(performed.toSorted().slice(1)).toEqual([expect.stringMatching(/^teleport by /), 'visit by visitor']);
  });

  it('keeps a call that nobody offers to take, shows it, and has it performed by whoever comes', async () => {
    await work('searcher', ['search']);
    const calls = [search, visit];
    const called = runs.callTools(await acting(calls), calls, never);
    const stopLooking = keepLooking(runs, settings.pollMs);
    while ((await censusOf('search'))?.waiting !== 0) await new Promise(setImmediate);
    const missed = await censusOf('visit');
    expect(missed).toMatchObject({ kind: 'visit', waiting: 1, running: 0, workers: 0 });
    expect(missed?.oldestSeconds).toBeGreaterThan(0);
    expect((await runs.census()).calls.map(({ kind }) => kind)).toEqual([...toolKinds]);
    const scaling = new Scaling(database());
    expect(await scaling.work('tool-worker', 0, ['visit', 'browser'])).toMatchObject({ waiting: 1, active: 0 });
    expect(await scaling.work('tool-worker', 0, ['search'])).toMatchObject({ waiting: 0, oldestWaitMs: 0 });
    await work('visitor', ['visit']);
    expect(await called).toHaveLength(2);
    await stopLooking();
    expect(performed).toEqual(['search by searcher', 'visit by visitor']);
    expect(await censusOf('visit')).toMatchObject({ waiting: 0, running: 0, workers: 1, oldestSeconds: 0 });
  });

  it('counts no call whose run does not want it any more', async () => {
    const run = await acting([search]);
    expect(await censusOf('search')).toMatchObject({ waiting: 1 });
    await runs.requestCancel(tenantId, run.runId);
    expect(await censusOf('search')).toMatchObject({ waiting: 0 });
    expect(await new Scaling(database()).work('tool-worker', 0)).toMatchObject({ waiting: 0 });
  });

  it('gives workers of the release before kinds what nobody takes by name', async () => {
    await work('older');
    await work('searcher', ['search']);
    const calls = [search, visit];
    expect(await runs.callTools(await acting(calls), calls, never)).toHaveLength(2);
    expect(performed.toSorted()).toEqual(['search by searcher', 'visit by older']);
  });

  it('passes on a ring of the release before kinds that came to a worker of another kind', async () => {
    await work('searcher', ['search']);
    const run = await acting([visit]);
    const callId = callIdOf(run.runId, visit);
    await doorbell.ring({ bell: 'calls', tenantId, runId: run.runId, callId, key: `${callId}-of-old` });
    while ((await ringsOf(callId)) === 0) await new Promise(setImmediate);
    expect(performed).toEqual([]);
    const heard = Promise.withResolvers<void>();
    await work('visitor', ['visit'], async (call) => {
      heard.resolve();
      return resultOf('visitor', call);
    });
    await heard.promise;
    expect(performed).toEqual(['visit by visitor']);
  });

  it('has a call that was handed over performed by the other kind, once, and its result kept', async () => {
    const over: HandedOver = { state: 'handed-over', to: 'browser' };
    await work('visitor', ['visit'], async () => over);
    const run = await acting([visit]);
    const called = runs.callTools(run, [visit], never);
    while ((await censusOf('browser'))?.waiting !== 1) await new Promise(setImmediate);
    await work('shower', ['browser']);
    expect(await called).toMatchObject([{ observation: observationOf('visit by shower') }]);
    expect(performed).toEqual(['visit by visitor', 'visit by shower']);
  });

  it('takes no more calls at once than it has slots, of whatever kinds', async () => {
    const gate = Promise.withResolvers<void>();
    let [now, most] = [0, 0];
    const everyKind = ['search', 'visit'] as const;
    await work('narrow', everyKind, async (call) => {
      now += 1;
      most = Math.max(most, now);
      if (now === 2) gate.resolve();
      await gate.promise;
      await new Promise(setImmediate);
      now -= 1;
      return resultOf('narrow', call);
    });
    const calls = Array.from({ length: 8 }, (_, index) => callOf(index % 2 === 0 ? 'search' : 'visit', index));
    expect(await runs.callTools(await acting(calls), calls, never)).toHaveLength(8);
    expect(most).toBe(2);
  });

  async function ringsOf(callId: string): Promise<number> {
    const sql = 'SELECT rings FROM argosy.tool_calls WHERE call_id = $1';
    return (await database().query<{ rings: number }>(sql, [callId])).rows[0]?.rings ?? 0;
  }
});
