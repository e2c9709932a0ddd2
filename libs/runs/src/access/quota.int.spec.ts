import { describe, expect, it } from '@jest/globals';
import { acceptanceOf, limitsOf, reportOf, requestOf } from '../../../../test/support/research.ts';
import { Accounts } from '../accounts.ts';
import { accept, describeStores } from '../store/stores.contract.ts';
import { type Quota, QuotaExceeded } from './quota.ts';
import { usageByDay, usageOfAll } from './usage.ts';

const none: Quota = { concurrent_runs: null, tokens_per_day: null, usd_per_day: null };
const dawdling = `CREATE FUNCTION argosy.dawdle() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(0.03); RETURN NEW; END $$;
  CREATE TRIGGER dawdle AFTER INSERT ON argosy.runs FOR EACH ROW EXECUTE FUNCTION argosy.dawdle()`;
const today = (): string => new Date().toISOString().slice(0, 10);

describeStores((stores) => {
  const door = (tenantId: string) => stores().database.forTenant(tenantId);
  let runs = 0;

  async function post(tenantId: string, quota: Partial<Quota>, changes: Parameters<typeof acceptanceOf>[2] = {}) {
    runs += 1;
    const acceptance = acceptanceOf(tenantId, `run-${runs}`, { quota: { ...none, ...quota }, ...changes });
    return await accept(door(tenantId), acceptance);
  }

  /** As if a run had spent so much, and ended where it says so. */
  async function spend(tenantId: string, runId: string, tokens: number, usd = 0, ended = true): Promise<void> {
    const state = ended ? `, state = 'completed', ended_at = now()` : '';
    await stores().database.query(
      `UPDATE argosy.runs SET prompt_tokens = $3, completion_tokens = 1, usd = $4, report = $5::jsonb ${state}
       WHERE tenant_id = $1 AND run_id = $2`,
      [tenantId, runId, tokens - 1, usd, JSON.stringify(reportOf(runId))],
    );
  }

  describe('a limit of runs', () => {
    it('is kept to the last one by any number of requests at once', async () => {
      await post('q1', { concurrent_runs: 7 });
      // Between the look and the commit there is time for others.
      await stores().database.script(dawdling);
      const posts = Array.from(
        { length: 40 },
        async () => await post('q1', { concurrent_runs: 7 }).catch((error) => error),
      );
      const told = await Promise.all(posts);
      expect(told.filter((one) => one instanceof QuotaExceeded)).toHaveLength(34);
      await stores().database.script('DROP TRIGGER dawdle ON argosy.runs');
      const { rows } = await door('q1').query('SELECT count(*)::int AS n FROM argosy.runs');
      expect(rows).toEqual([{ n: 7 }]);
    });

    it('lets another in when one has ended, says so meanwhile, and is each tenant`s own', async () => {
      const { runId } = await post('q2', { concurrent_runs: 1 });
      await post('q3', { concurrent_runs: 1 });
      const refused = post('q2', { concurrent_runs: 1 });
      await expect(refused).rejects.toThrow(/^1 runs may be under way at the same time, and are/);
      await expect(refused).rejects.toMatchObject({ code: 'quota_exceeded', retryAfterMs: 10_000 });
      await spend('q2', runId, 1);
      await post('q2', { concurrent_runs: 1 });
    });

    it('does not keep a repeated request from the run that it made', async () => {
      const idempotencyKey = 'k';
      const first = await post('q4', { concurrent_runs: 1 }, { idempotencyKey });
      const again = await post('q4', { concurrent_runs: 1 }, { idempotencyKey });
      expect(again).toEqual({ runId: first.runId, fresh: false, ahead: null });
    });

    it('of nothing lets nothing in', async () => {
      await expect(post('q5', { concurrent_runs: 0 })).rejects.toThrow(QuotaExceeded);
    });
  });

  describe('a limit of a day', () => {
    it('counts what runs have spent, and those under way by the budgets that they named', async () => {
      const limit = { tokens_per_day: 1_000 };
      const { runId } = await post('d1', limit);
      await spend('d1', runId, 600);
      const limits = limitsOf({ budget: { steps: 1, tokens: 399 } });
      await post('d1', limit, { request: requestOf({ limits }) });
      const last = await post('d1', limit);
      await spend('d1', last.runId, 1, 0, false);
      const refused = post('d1', limit);
      await expect(refused).rejects.toThrow(/^Runs of today may spend 1000 tokens, and have/);
      const left = 86_400_000 - (Date.now() % 86_400_000);
      const { retryAfterMs } = (await refused.catch((error: QuotaExceeded) => error)) as QuotaExceeded;
      expect(Math.abs(retryAfterMs - left)).toBeLessThan(60_000);
    });

    it('is one of money, too', async () => {
      const { runId } = await post('d2', { usd_per_day: 1.5 });
      await spend('d2', runId, 1, 1.49);
      const second = await post('d2', { usd_per_day: 1.5 });
      await spend('d2', second.runId, 1, 0.02);
      await expect(post('d2', { usd_per_day: 1.5 })).rejects.toThrow(/1\.5 USD/);
    });

    it('counts runs that are gone, and none of yesterday', async () => {
      const limit = { tokens_per_day: 100 };
      const { runId } = await post('d3', limit);
      await spend('d3', runId, 100);
      await door('d3').query('DELETE FROM argosy.runs WHERE run_id = $1', [runId]);
      await expect(post('d3', limit)).rejects.toThrow(QuotaExceeded);
      await stores().database.query(`UPDATE argosy.past_usage SET day = day - 1 WHERE tenant_id = 'd3'`);
      const late = await post('d3', limit);
      await spend('d3', late.runId, 100);
      await stores().database.query(
        `UPDATE argosy.runs SET accepted_at = accepted_at - interval '1 day' WHERE tenant_id = 'd3'`,
      );
      await post('d3', limit);
    });
  });

  it('usage is told by the day, of runs that are there and of those that are gone', async () => {
    const [one, two] = [await post('u1', {}), await post('u1', {})];
    await spend('u1', one.runId, 100, 0.5);
    await spend('u1', two.runId, 11, 0.25);
    await post('u2', {});
    const used = { model_calls: 0, tool_calls: 0, cached_tokens: 0, fees_nano_usd: 0, gpu_seconds: null };
    const lost = { lost_model_calls: 2, lost_prompt_tokens: 1_000, lost_nano_usd: 300_000 };
    const priced = `jsonb_set(request, '{limits,prices}', '{"promptUsd": 0.3}')`;
    await stores().database.query(
      `UPDATE argosy.runs SET lost_model_calls = 2, lost_prompt_tokens = 1000, request = ${priced} WHERE run_id = $1`,
      [one.runId],
    );
    const expected = [
      { day: today(), runs: 2, ...used, prompt_tokens: 109, completion_tokens: 2, usd: 0.75, nano_usd: 75e7, ...lost },
    ];
    expect(await usageByDay(door('u1'), 'u1', today(), today())).toEqual(expected);
    const accounts = new Accounts(stores().database);
    const byRun = async (limit: number, before: string | null = null) =>
      await accounts.usageOfRuns('u1', { from: today(), to: today(), before, limit });
    const all = await byRun(10);
    expect(all).toMatchObject({
      rows: [
        { run_id: two.runId, nano_usd: 25e7 },
        { run_id: one.runId, nano_usd: 5e8, ...lost },
      ],
      next: null,
    });
    expect(await byRun(1)).toEqual({ rows: all.rows.slice(0, 1), next: two.runId });
    await door('u1').query('DELETE FROM argosy.runs WHERE run_id = $1', [one.runId]);
    expect(await byRun(10)).toMatchObject({
      rows: [{ run_id: two.runId }, { run_id: null, runs: 1, nano_usd: 5e8, ...lost }],
    });
    const everyone = await usageOfAll(stores().database, today(), today());
    expect(everyone.filter(({ tenant_id }) => tenant_id === 'u1')).toEqual([{ tenant_id: 'u1', ...expected[0] }]);
    expect(await usageByDay(door('u1'), 'u1', today(), today())).toEqual(expected);
    expect(await usageByDay(door('u1'), 'u1', '2020-01-01', '2020-12-31')).toEqual([]);
    expect(await usageByDay(door('u2'), 'u1', today(), today())).toEqual([]);
  });
});
