import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { lateOutcome } from '#domain';
import { InvalidState, NotFound } from '#errors';
import { keepLooking } from '../../../test/support/looking.ts';
import {
  acceptanceOf,
  asked,
  limitsOf,
  observationOf,
  placed,
  reportOf,
  requestOf,
  searchOf,
  sha256Of,
} from '../../../test/support/research.ts';
import { topics } from './bus.ts';
import type { CallResult } from './calling.ts';
import type { Doorbell } from './doorbell/doorbell.ts';
import type { Membership } from './membership.ts';
import { Runs } from './runs.ts';
import { type CallClaim, claimCall, finishCall, releaseCall } from './store/calls.ts';
import { type Claim, claim } from './store/claims.ts';
import { callIdOf } from './store/log.ts';
import { describeStores } from './store/stores.contract.ts';
import { endLease, renewLease } from './store/workers.ts';

describeStores((stores) => {
  const database = () => stores().database;

  /** Rings are repeated soon, so that what only a repeated ring can mend is mended within a test. */
  const settings = { leaseMs: 600_000, relookMs: 200, pollMs: 50 };
  const never = new AbortController().signal;
  const tenantId = 'acme';
  const calls = [placed(searchOf('a'), 0, 0), placed(searchOf('b'), 0, 1)];

  let runs: Runs;
  let doorbell: Doorbell;
  let members: Membership[] = [];
  let made = 0;

  beforeEach(async () => {
    doorbell = await stores().doorbell();
    runs = new Runs({ database: database(), doorbell, bus: stores().bus, tail: stores().tail }, settings);
    await renewLease(database(), { workerId: 'agent', role: 'agent-worker', slots: 1 }, 600_000);
    await renewLease(database(), { workerId: 'tools-1', role: 'tool-worker', slots: 1 }, 600_000);
    await renewLease(database(), { workerId: 'tools-2', role: 'tool-worker', slots: 1 }, 600_000);
  });
  afterEach(async () => {
    await doorbell.close();
    await Promise.all(members.map((member) => member.end()));
    members = [];
    await database().script('TRUNCATE argosy.steps, argosy.events, argosy.tool_calls, argosy.runs');
  });

  async function join(workerId: string): Promise<Membership> {
    const member = await runs.join({ workerId, role: 'agent-worker', slots: 5 });
    members.push(member);
    return member;
  }

  /** A run whose model has asked for `calls`. */
  async function acting(): Promise<Claim> {
    made += 1;
    const runId = `run-${made}`;
    await runs.accept(acceptanceOf(tenantId, runId));
    const owner = await claim(database(), tenantId, runId, 'agent');
    if (owner === null) throw new Error('A new run can be claimed.');
    await runs.commit(owner, { step: { number: 1, event: asked(...calls), answered: [] }, events: [], intents: calls });
    return owner;
  }
  const keyOf = ({ runId }: Claim, index = 0) => ({
    tenantId,
    runId,
    callId: callIdOf(runId, calls[index] ?? placed(searchOf('a'), 0)),
  });
  async function begun(run: Claim, worker = 'tools-1'): Promise<CallClaim> {
    const taken = await claimCall(database(), keyOf(run), worker);
    if (taken === null) throw new Error(`${worker} could not begin the call.`);
    return taken;
  }
  async function stored(run: Claim) {
    const sql = 'SELECT state, attempt, result FROM argosy.tool_calls WHERE run_id = $1 ORDER BY index';
    return (await database().query<{ state: string; attempt: number; result: unknown }>(sql, [run.runId])).rows;
  }
  const resultOf = ({ args }: CallClaim): CallResult => {
    const text = `result of ${String(args['query'])}`;
    return { state: 'done', observation: observationOf(text), snapshots: new Map([[sha256Of(text), text]]) };
  };
  const outcomes = calls.map(({ tool, args }) => ({
    call: { tool, args },
    observation: observationOf(`result of ${String(args['query'])}`),
  }));

  describe('a tool call', () => {
    it('goes from intent over running to done', async () => {
      const run = await acting();
      expect(await stored(run)).toMatchObject([{ state: 'intent', attempt: 0, result: null }, { state: 'intent' }]);
      const taken = await begun(run);
      expect(taken).toMatchObject({ tool: 'search', args: { query: 'a' }, attempt: 1, sources: { web: false } });
      expect(await stored(run)).toMatchObject([{ state: 'running', attempt: 1 }, { state: 'intent' }]);
      expect(await finishCall(database(), taken, 'done', observationOf('x'))).toBe(true);
      expect(await stored(run)).toMatchObject([{ state: 'done', result: observationOf('x') }, { state: 'intent' }]);
      expect(await claimCall(database(), keyOf(run), 'tools-2')).toBeNull();
    });

    it('says what it may open, and how many pages which model may read for it', async () => {
      const reading = { promptTokens: 900, replyTokens: 90 };
      const limits = limitsOf({ reading });
      const call = placed({ tool: 'visit', args: { url: ['a', 'b'], goal: 'c' } }, 0);
      const runId = `run-reading-${made}`;
      await runs.accept(acceptanceOf(tenantId, runId, { request: requestOf({ limits }) }));
      const owner = await claim(database(), tenantId, runId, 'agent');
      if (owner === null) throw new Error('A new run can be claimed.');
      const intents = [{ ...call, readings: 2, opens: ['a'] }, placed(searchOf('a'), 0, 1)];
      await runs.commit(owner, { step: { number: 1, event: asked(...intents), answered: [] }, events: [], intents });
      const key = { tenantId, runId, callId: callIdOf(runId, call) };
      const grant = { model: 'scripted', profile: 'tongyi-v1', pages: 2, ...reading };
      expect(await claimCall(database(), key, 'tools-1')).toMatchObject({ reading: grant, opens: ['a'] });
      const other = { tenantId, runId, callId: callIdOf(runId, placed(searchOf('a'), 0, 1)) };
      expect(await claimCall(database(), other, 'tools-1')).toMatchObject({ reading: null, opens: null });
    });

    it('is begun by one of many workers', async () => {
      const run = await acting();
      const all = await Promise.all(
        Array.from({ length: 60 }, (_, i) => claimCall(database(), keyOf(run), `tools-${1 + (i % 2)}`)),
      );
      expect(all.filter((one) => one !== null)).toMatchObject([{ attempt: 1 }]);
    });

    it('keeps its result though the run has another owner by then', async () => {
      const run = await acting();
      const taken = await begun(run);
      await endLease(database(), 'agent');
      const heir = await claim(database(), tenantId, run.runId, 'tools-2');
      expect(heir?.epoch).toBe(2);
      expect(await finishCall(database(), taken, 'done', observationOf('paid for'))).toBe(true);
      expect(await stored(run)).toMatchObject([{ state: 'done', result: observationOf('paid for') }, {}]);
    });

    it('refuses the late result of an attempt whose worker was given up', async () => {
      const run = await acting();
      const late = await begun(run, 'tools-1');
      await endLease(database(), 'tools-1');
      const second = await begun(run, 'tools-2');
      expect(second.attempt).toBe(2);
      expect(await finishCall(database(), late, 'done', observationOf('late'))).toBe(false);
      await releaseCall(database(), late);
      expect(await finishCall(database(), second, 'done', observationOf('second'))).toBe(true);
      expect(await finishCall(database(), second, 'done', observationOf('again'))).toBe(false);
      expect(await stored(run)).toMatchObject([{ result: observationOf('second') }, {}]);
    });

    it('is not begun by a worker whose own lease is gone', async () => {
      const run = await acting();
      await endLease(database(), 'tools-1');
      expect(await claimCall(database(), keyOf(run), 'tools-1')).toBeNull();
    });

    it('is not begun when its run is to be cancelled, or has ended', async () => {
      const [cancelled, ended] = [await acting(), await acting()];
      await runs.requestCancel(tenantId, cancelled.runId);
      await runs.commit(ended, { events: [], outcome: { state: 'completed', report: reportOf(ended.runId) } });
      for (const run of [cancelled, ended]) expect(await claimCall(database(), keyOf(run), 'tools-1')).toBeNull();
    });

    it('is found under its own tenant alone', async () => {
      const run = await acting();
      expect(await claimCall(database(), { ...keyOf(run), tenantId: 'other' }, 'tools-1')).toBeNull();
    });
  });

  describe('callTools', () => {
    it('has calls performed elsewhere and gathers the outcomes in the order of the calls', async () => {
      const run = await acting();
      const performed: string[] = [];
      const second = Promise.withResolvers<void>();
      await runs.answerCalls(await join('t'), { concurrency: 2 }, async (call) => {
        if (call.args['query'] === 'a') await second.promise;
        performed.push(String(call.args['query']));
        second.resolve();
        return resultOf(call);
      });
      expect(await runs.callTools(run, calls, never)).toEqual(outcomes);
      expect(performed).toEqual(['b', 'a']);
      const hashes = outcomes.flatMap(({ observation }) => observation.sources.map((source) => source.sha256));
      expect([...(await runs.texts(tenantId, hashes)).values()].toSorted()).toEqual(['result of a', 'result of b']);
    });

    it('is waited for no longer than its caller wants, and what is there by then is kept', async () => {
      const run = await acting();
      const late = new AbortController();
      const unsubscribe = runs.bus.subscribe(topics.called(tenantId, run.runId), () => late.abort());
      await runs.answerCalls(await join('t'), { concurrency: 2 }, async (call, signal) => {
        if (call.args['query'] === 'a') return resultOf(call);
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
        throw signal.reason;
      });
      const called = await runs.callTools(run, calls, never, late.signal);
      unsubscribe();
      expect(called).toEqual([outcomes[0], lateOutcome(searchOf('b'))]);
    });

    it('performs nothing again that is done, also for a later owner of the run', async () => {
      const run = await acting();
      const performed: string[] = [];
      await runs.answerCalls(await join('t'), { concurrency: 2 }, async (call) => {
        performed.push(String(call.args['query']));
        return resultOf(call);
      });
      await runs.callTools(run, calls, never);
      expect(await runs.callTools({ ...run, epoch: 2 }, calls, never)).toEqual(outcomes);
      expect(performed.toSorted()).toEqual(['a', 'b']);
    });

    it('stands in the history of its run with what it gave, for its own tenant alone', async () => {
      const run = await acting();
      for (const [index, { observation }] of outcomes.entries()) {
        const taken = await claimCall(database(), keyOf(run, index), 'tools-1');
        if (taken === null) throw new Error('A new call can be begun.');
        await finishCall(database(), taken, 'done', observation);
      }
      const event = { kind: 'tools-returned', outcomes } as const;
      await runs.commit(run, { step: { number: 2, event, answered: calls }, events: [] });
      const { request, events } = await runs.history(tenantId, run.runId);
      expect(request).toEqual(run.request);
      expect(events).toEqual([asked(...calls), event]);
      await expect(runs.history('other', run.runId)).rejects.toThrow(NotFound);
    });

    it('begins a call again that failed in its worker', async () => {
      const run = await acting();
      const attempts: number[] = [];
      await runs.answerCalls(await join('t'), { concurrency: 2 }, async (call) => {
        if (call.args['query'] === 'a') attempts.push(call.attempt);
        if (call.args['query'] === 'a' && call.attempt < 3) throw new Error('this tool fails on purpose');
        return resultOf(call);
      });
      expect(await runs.callTools(run, calls, never)).toEqual(outcomes);
      expect(attempts).toEqual([1, 2, 3]);
    });

    it('has a call begun again at once whose worker was stopped in the middle of it', async () => {
      const run = await acting();
      const begun = Promise.withResolvers<void>();
      const leaving = await runs.answerCalls(await join('leaving'), { concurrency: 2 }, async (_call, signal) => {
        begun.resolve();
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
        throw signal.reason;
      });
      const waiting = runs.callTools(run, calls, never);
      await begun.promise;
      await Promise.all([
        leaving.close({ abortAfterMs: 0 }),
        runs.answerCalls(await join('staying'), { concurrency: 2 }, async (call) => resultOf(call)),
      ]);
      expect(await waiting).toEqual(outcomes);
    });

    it('has a call begun again whose worker died, once somebody reconciles', async () => {
      const run = await acting();
      const dead = await begun(run);
      const waiting = runs.callTools(run, calls, never);
      await database().query('UPDATE argosy.tool_calls SET rung_at = started_at - interval $$1 s$$ WHERE attempt = 1');
      await endLease(database(), dead.callId === '' ? '' : 'tools-1');
      await runs.answerCalls(await join('t'), { concurrency: 2 }, async (call) => resultOf(call));
      const stopLooking = keepLooking(runs, settings.pollMs);
      const found = await waiting;
      await stopLooking();
      expect(found).toEqual(outcomes);
      expect(await stored(run)).toMatchObject([{ attempt: 2 }, { attempt: 1 }]);
    });

    it('returns null when its signal fires, before or meanwhile', async () => {
      const run = await acting();
      const stop = new AbortController();
      const waiting = runs.callTools(run, calls, stop.signal);
      stop.abort();
      expect(await waiting).toBeNull();
      expect(await runs.callTools(run, calls, stop.signal)).toBeNull();
    });

    it('takes an unknown result for a result', async () => {
      const run = await acting();
      await runs.answerCalls(await join('t'), { concurrency: 2 }, async (call) => ({
        ...resultOf(call),
        state: 'unknown',
      }));
      expect(await runs.callTools(run, calls, never)).toEqual(outcomes);
    });

    it('stops the work of a run that is cancelled, and lets the call go', async () => {
      const run = await acting();
      const stopped = Promise.withResolvers<void>();
      await runs.answerCalls(await join('t'), { concurrency: 1 }, async (_call, signal) => {
        const cancelled = runs.requestCancel(tenantId, run.runId);
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
        await cancelled;
        stopped.resolve();
        throw signal.reason;
      });
      const stop = new AbortController();
      const waiting = runs.callTools(run, calls, stop.signal);
      await stopped.promise;
      stop.abort();
      expect(await waiting).toBeNull();
      await doorbell.close();
      expect((await stored(run)).map(({ state }) => state)).toEqual(['intent', 'intent']);
    });
  });

  describe('answerRuns', () => {
    it('hands a run back that its driver left unfinished, whether it returned or threw', async () => {
      made += 1;
      const runId = `run-${made}`;
      await runs.accept(acceptanceOf(tenantId, runId));
      const epochs: number[] = [];
      const ended = Promise.withResolvers<void>();
      await runs.answerRuns(await join('driver'), { concurrency: 1 }, async (owner) => {
        epochs.push(owner.epoch);
        if (owner.epoch === 1) return;
        if (owner.epoch === 2) throw new Error('this driver fails on purpose');
        await runs.commit(owner, { events: [], outcome: { state: 'completed', report: reportOf(runId) } });
        ended.resolve();
      });
      // A run that made its driver fail comes back later, when it is looked for.
      const stopLooking = keepLooking(runs, settings.pollMs);
      await ended.promise;
      await stopLooking();
      await doorbell.close();
      expect(epochs).toEqual([1, 2, 3]);
      expect(await runs.get(tenantId, runId)).toMatchObject({ status: 'completed' });
    });
  });

  describe('requestCancel', () => {
    it('refuses a run that is not there, is of another tenant, or has ended', async () => {
      const run = await acting();
      await expect(runs.requestCancel(tenantId, 'nothing')).rejects.toThrow(NotFound);
      await expect(runs.requestCancel('other', run.runId)).rejects.toThrow(NotFound);
      await runs.commit(run, { events: [], outcome: { state: 'completed', report: reportOf(run.runId) } });
      await expect(runs.requestCancel(tenantId, run.runId)).rejects.toThrow(InvalidState);
    });

    it('ends a waiting run at once and reaches the owner of a running one', async () => {
      made += 1;
      await runs.accept(acceptanceOf(tenantId, `run-${made}`));
      await runs.requestCancel(tenantId, `run-${made}`);
      expect(await runs.get(tenantId, `run-${made}`)).toMatchObject({ status: 'cancelled' });
      const run = await acting();
      const flagged = new Promise<void>((resolve) => runs.onFlag(run, resolve));
      await runs.requestCancel(tenantId, run.runId);
      await flagged;
      expect(await runs.cancelRequested(run)).toBe(true);
      expect(await runs.get(tenantId, run.runId)).toMatchObject({ status: 'running' });
    });
  });

  describe('events', () => {
    it('come as they are committed, from any number on, without a gap or a repeat', async () => {
      const run = await acting();
      const seen: number[] = [];
      const stop = new AbortController();
      const following = (async () => {
        for await (const event of runs.events(tenantId, run.runId, 1, stop.signal)) {
          seen.push(event.seq);
        }
      })();
      for (let i = 0; i < 5; i++) await runs.commit(run, { events: [{ type: 'tool.started', data: { i } }] });
      await runs.commit(run, {
        events: [{ type: 'run.completed', data: {} }],
        outcome: { state: 'completed', report: reportOf(run.runId) },
      });
      await following;
      expect(seen).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    });

    it('end at once for whoever comes back after the end', async () => {
      const run = await acting();
      await runs.commit(run, {
        events: [{ type: 'run.completed', data: {} }],
        outcome: { state: 'completed', report: reportOf(run.runId) },
      });
      for await (const event of runs.events(tenantId, run.runId, 4, never))
        throw new Error(`${event.seq} was seen before`);
    });

    it('end when the listener leaves', async () => {
      const run = await acting();
      const stop = new AbortController();
      const seen: number[] = [];
      for await (const { seq } of runs.events(tenantId, run.runId, 0, stop.signal)) {
        seen.push(seq);
        if (seen.length === 3) stop.abort();
      }
      expect(seen).toEqual([1, 2, 3]);
    });
  });
});
