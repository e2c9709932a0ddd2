import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { acceptanceOf, asked, placed, reportOf, searchOf } from '../../../../test/support/research.ts';
import { usageByRun } from '../access/usage.ts';
import { type Claim, claim } from './claims.ts';
import { type Commit, Ledger } from './ledger.ts';
import { callIdOf } from './log.ts';
import { accept, describeStores } from './stores.contract.ts';
import { readTimes } from './times.ts';
import { getRun, readEvents } from './views.ts';
import { renewLease } from './workers.ts';

describeStores((stores) => {
  const database = () => stores().database;

  let ledger: Ledger;
  let made = 0;

  beforeAll(async () => {
    ledger = new Ledger(database());
    await renewLease(database(), { workerId: 'w1', role: 'agent-worker', slots: 1 }, 600_000);
  });

  /** A run that `w1` has claimed; its clients were told three events by then. */
  async function owned(): Promise<Claim> {
    made += 1;
    const [tenantId, runId] = [`t${made % 3}`, `run-${made}`];
    await accept(database(), acceptanceOf(tenantId, runId));
    const taken = await claim(database(), tenantId, runId, 'w1');
    if (taken === null) throw new Error('A new run can be claimed.');
    return taken;
  }

  const spending = {
    modelCalls: 2,
    toolCalls: 3,
    promptTokens: 400,
    cachedTokens: 50,
    completionTokens: 60,
    nanoUsd: 125e6,
    feesNanoUsd: 0,
  };
  const step = (number: number, text = 'q'): NonNullable<Commit['step']> => ({
    number,
    event: asked(searchOf(text)),
    answered: [],
  });
  const stepCommit = (number: number, text = 'q'): Commit => ({
    step: step(number, text),
    events: [{ type: 'model.completed', data: { number, text } }],
  });
  const ended: Commit['outcome'] = { state: 'completed', report: reportOf('r') };

  async function seqsOf({ tenantId, runId }: Claim): Promise<number[]> {
    return (await readEvents(database(), tenantId, runId, 0)).map((event) => event.seq);
  }

  interface StepRow {
    readonly step_no: number;
    readonly payload: unknown;
  }

  async function stepsOf({ tenantId, runId }: Claim): Promise<StepRow[]> {
    const sql = 'SELECT step_no, payload FROM argosy.steps WHERE tenant_id = $1 AND run_id = $2 ORDER BY step_no';
    return [...(await database().query<StepRow>(sql, [tenantId, runId])).rows];
  }

  async function rowOf({ tenantId, runId }: Claim): Promise<unknown> {
    const sql = 'SELECT * FROM argosy.runs WHERE tenant_id = $1 AND run_id = $2';
    return (await database().query(sql, [tenantId, runId])).rows[0];
  }

  const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

  describe('a commit', () => {
    it('writes step, events, intents and spending of a run together', async () => {
      const run = await owned();
      const call = placed(searchOf('q'), 0);
      const commit: Commit = { ...stepCommit(1), intents: [call], spent: spending };
      expect(await ledger.commit(run, commit)).toEqual({ accepted: true, cancelRequested: false });
      expect((await stepsOf(run)).map(({ payload }) => payload)).toEqual([step(1).event]);
      expect(await readEvents(database(), run.tenantId, run.runId, 3)).toMatchObject([
        { seq: 4, type: 'model.completed' },
      ]);
      const calls = await database().query('SELECT * FROM argosy.tool_calls WHERE run_id = $1', [run.runId]);
      const callId = callIdOf(run.runId, call);
      expect(calls.rows).toMatchObject([
        { call_id: callId, step: 0, index: 0, tool: 'search', state: 'intent', attempt: 0 },
      ]);
      expect(await rowOf(run)).toMatchObject({
        model_calls: 2,
        tool_calls: 3,
        prompt_tokens: 400,
        cached_tokens: 50,
        completion_tokens: 60,
        usd: 0.125,
      });
    });

    it('of many runs travels with others and each is answered for itself', async () => {
      const runs = await Promise.all(Array.from({ length: 40 }, owned));
      const committed = await Promise.all(runs.map((run, i) => ledger.commit(run, stepCommit(1, `text ${i}`))));
      expect(committed.every((one) => one.accepted)).toBe(true);
      for (const [i, run] of runs.entries()) {
        expect((await readEvents(database(), run.tenantId, run.runId, 3)).map(({ data }) => data['text'])).toEqual([
          `text ${i}`,
        ]);
      }
    });

    it('leaves usage at the last committed spending', async () => {
      const run = await owned();
      await ledger.commit(run, { ...stepCommit(1), spent: { ...spending, nanoUsd: 1e9 } });
      await ledger.commit(run, { ...stepCommit(2), spent: { ...spending, nanoUsd: 2e9 } });
      await ledger.commit(run, { ...stepCommit(2), spent: { ...spending, nanoUsd: 99e9 } });
      await ledger.commit(run, stepCommit(3));
      expect(await rowOf(run)).toMatchObject({ usd: 2, model_calls: 2 });
      await ledger.commit(run, { ...stepCommit(4), spent: { ...spending, readings: 5 } });
      expect(await rowOf(run)).toMatchObject({ model_calls: 7 });
    });

    it('keeps what each step cost: together it is what the run has spent, to the last billionth', async () => {
      const run = await owned();
      const costs = [
        [333_333_333, 1],
        [1, 0],
        [7_000_000_000_001, 3],
      ].map(([nanoUsd = 0, feesNanoUsd = 0], i) => {
        return { promptTokens: 100 + i, cachedTokens: i, completionTokens: 1, nanoUsd, feesNanoUsd, gpuMs: 1_500 };
      });
      let spent = { ...spending, nanoUsd: 0, feesNanoUsd: 0, gpuMs: 0 };
      for (const [i, cost] of costs.entries()) {
        const { nanoUsd, feesNanoUsd, gpuMs } = cost;
        spent = {
          ...spent,
          nanoUsd: spent.nanoUsd + nanoUsd,
          feesNanoUsd: spent.feesNanoUsd + feesNanoUsd,
          gpuMs: spent.gpuMs + gpuMs,
        };
        await ledger.commit(run, { step: { ...step(i + 1), cost }, events: [], spent });
      }
      await ledger.commit(run, { step: step(4), events: [] });
      const { steps = [], spent: all } = (await readTimes(database(), run.tenantId, run.runId)) ?? {};
      expect(steps.map(({ cost }) => cost)).toEqual([...costs, null]);
      expect(all).toMatchObject({ nanoUsd: 7_000_333_333_335, feesNanoUsd: 4, gpuMs: 4_500 });
      const day = new Date().toISOString().slice(0, 10);
      const page = { from: '2020-01-01', to: day, before: null, limit: 100 };
      const billed = (await usageByRun(database(), run.tenantId, page)).find((one) => one.run_id === run.runId);
      expect(billed).toMatchObject({
        runs: 1,
        nano_usd: 7_000_333_333_335,
        fees_nano_usd: 4,
        gpu_seconds: 4.5,
        usd: 7000.333333335,
      });
    });

    it('tells its owner that cancelling was asked for', async () => {
      const run = await owned();
      await database().query('UPDATE argosy.runs SET cancel_requested = true WHERE run_id = $1', [run.runId]);
      expect(await ledger.commit(run, stepCommit(1))).toEqual({ accepted: true, cancelRequested: true });
    });

    it('keeps what models and pages write that PostgreSQL refuses, at its length', async () => {
      const run = await owned();
      const call = { tool: 'search', args: { 'na\0me': ['a\0b\ud800'] } };
      const event = {
        kind: 'model-replied',
        forced: null,
        reply: { ...asked().reply, text: 'x\0\udc00', calls: [call] },
      } as const;
      const commit: Commit = {
        step: { number: 1, event, answered: [] },
        events: [{ type: 'tool.started', data: { 'k\0': '\ud800' } }],
        intents: [placed(call, 0)],
      };
      expect(await ledger.commit(run, commit)).toMatchObject({ accepted: true });
      const [stored] = await stepsOf(run);
      expect(stored?.payload).toMatchObject({
        reply: { text: 'x\ufffd\ufffd', calls: [{ args: { 'na\ufffdme': ['a\ufffdb\ufffd'] } }] },
      });
    });
  });

  describe('the fence', () => {
    it.each<[string, (run: Claim) => Claim, Commit]>([
      ['an older epoch', (run) => ({ ...run, epoch: run.epoch - 1 }), stepCommit(1)],
      ['an epoch that never was', (run) => ({ ...run, epoch: run.epoch + 1 }), stepCommit(1)],
      ['another worker', (run) => ({ ...run, workerId: 'w2' }), stepCommit(1)],
      ['another tenant', (run) => ({ ...run, tenantId: 'nobody' }), stepCommit(1)],
      ['a run that is not there', (run) => ({ ...run, runId: 'nothing' }), stepCommit(1)],
      ['a step number with a gap', (run) => run, stepCommit(2)],
      ['a step number that was', (run) => run, stepCommit(0)],
      ['an older epoch that would end the run', (run) => ({ ...run, epoch: 0 }), { events: [], outcome: ended }],
    ])('refuses %s, and its neighbours commit', async (_what, spoil, commit) => {
      const [before, run, after] = [await owned(), await owned(), await owned()];
      // The first fills the statement under way, so that the other three share the next.
      const [, ...committed] = await Promise.all([
        ledger.commit(await owned(), stepCommit(1)),
        ledger.commit(before, stepCommit(1)),
        ledger.commit(spoil(run), commit),
        ledger.commit(after, stepCommit(1)),
      ]);
      expect(committed.map((one) => one.accepted)).toEqual([true, false, true]);
      expect(await stepsOf(run)).toEqual([]);
      expect(await seqsOf(run)).toEqual(upTo(3));
      expect(await getRun(database(), run.tenantId, run.runId)).toMatchObject({ status: 'running' });
    });

    it('refuses a step that was committed before, and a run that has ended', async () => {
      const run = await owned();
      await ledger.commit(run, stepCommit(1));
      expect(await ledger.commit(run, stepCommit(1))).toEqual({ accepted: false });
      await ledger.commit(run, { events: [], outcome: ended });
      for (const late of [stepCommit(2), { events: [] }, { events: [], outcome: ended }]) {
        expect(await ledger.commit(run, late)).toEqual({ accepted: false });
      }
      expect(await stepsOf(run)).toHaveLength(1);
    });
  });

  describe('an outcome', () => {
    it.each(['completed', 'incomplete', 'failed', 'cancelled'] as const)(
      'ends a run as %s exactly once',
      async (status) => {
        const run = await owned();
        const commit: Commit = {
          events: [{ type: `run.${status}`, data: {} }],
          outcome: { state: status, report: reportOf(run.runId, status) },
        };
        const all = await Promise.all(Array.from({ length: 5 }, () => ledger.commit(run, commit)));
        expect(all.filter((one) => one.accepted)).toHaveLength(1);
        const view = await getRun(database(), run.tenantId, run.runId);
        expect(view).toMatchObject({ status, endedAt: expect.any(String), report: { run_id: run.runId, status } });
        expect((await readEvents(database(), run.tenantId, run.runId, 3)).map((event) => event.type)).toEqual([
          `run.${status}`,
        ]);
        expect(await claim(database(), run.tenantId, run.runId, 'w1')).toBeNull();
      },
    );

    it('hands a run back to the backlog, whence another may claim it', async () => {
      const run = await owned();
      await ledger.commit(run, { events: [], outcome: { state: 'queued' } });
      expect(await getRun(database(), run.tenantId, run.runId)).toMatchObject({ status: 'queued', endedAt: null });
      expect(await ledger.commit(run, stepCommit(1))).toEqual({ accepted: false });
      expect(await claim(database(), run.tenantId, run.runId, 'w1')).toMatchObject({ epoch: 2 });
    });
  });

  describe('commits that the database refuses', () => {
    it('fail alone, while everything beside them is kept', async () => {
      const runs = await Promise.all(Array.from({ length: 6 }, owned));
      const spoiled = { ...stepCommit(1), spent: { ...spending, nanoUsd: Number.NaN } };
      const poisoned = { ...stepCommit(1), events: [{ type: 'run.failed', data: undefined }] } as unknown as Commit;
      const commits = [stepCommit(1), stepCommit(1), spoiled, stepCommit(1), poisoned, stepCommit(1)];
      const settled = await Promise.allSettled(runs.map((run, i) => ledger.commit(run, commits[i] ?? spoiled)));
      expect(settled.map(({ status }) => status)).toEqual([
        'fulfilled',
        'fulfilled',
        'rejected',
        'fulfilled',
        'rejected',
        'fulfilled',
      ]);
      expect(await Promise.all(runs.map(async (run) => (await stepsOf(run)).length))).toEqual([1, 1, 0, 1, 0, 1]);
      expect(await ledger.commit(runs[2] ?? (await owned()), stepCommit(1))).toMatchObject({ accepted: true });
    });
  });

  describe('a step that is there although its run does not know of it', () => {
    it('is not passed over: the commit fails, and the run stays where it is', async () => {
      const run = await owned();
      const { tenantId, runId } = run;
      await database().query(
        `INSERT INTO argosy.steps (tenant_id, run_id, step_no, epoch, schema_version, payload) VALUES ($1, $2, 1, 1, 1, '{}')`,
        [tenantId, runId],
      );
      await expect(ledger.commit(run, stepCommit(1))).rejects.toMatchObject({ code: '23505' });
      expect(await rowOf(run)).toMatchObject({ last_step: 0, model_calls: 0 });
    });
  });

  describe('events', () => {
    it('are numbered from 1 without a gap in the order of commits, however many runs commit at once', async () => {
      const plan = fc.array(fc.tuple(fc.nat(4), fc.nat(3)), { minLength: 1, maxLength: 40 });
      await fc.assert(
        fc.asyncProperty(plan, async (commits) => {
          const runs = await Promise.all(Array.from({ length: 5 }, owned));
          const told = runs.map((): number[] => []);
          await Promise.all(
            commits.map(async ([which, count], place) => {
              const run = runs[which];
              if (run === undefined) return;
              const events = upTo(count).map((n) => ({
                type: 'tool.started' as const,
                data: { mark: place * 10 + n },
              }));
              told[which]?.push(...events.map((event) => event.data.mark));
              expect(await ledger.commit(run, { events })).toMatchObject({ accepted: true });
            }),
          );
          for (const [which, run] of runs.entries()) {
            const events = await readEvents(database(), run.tenantId, run.runId, 3);
            expect(events.map((event) => event.data['mark'])).toEqual(told[which]);
            expect(await seqsOf(run)).toEqual(upTo(3 + events.length));
          }
        }),
        { numRuns: 15 },
      );
    });
  });
});
