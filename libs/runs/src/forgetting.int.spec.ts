import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { NotFound } from '#errors';
import {
  acceptanceOf,
  asked,
  observationOf,
  placed,
  requestOf,
  searchOf,
  sha256Of,
} from '../../../test/support/research.ts';
import { topics } from './bus.ts';
import type { Doorbell } from './doorbell/doorbell.ts';
import { Evidence } from './evidence/evidence.ts';
import { Runs } from './runs.ts';
import { getTexts, putTexts } from './store/blobs.ts';
import { type CallClaim, claimCall, finishCall } from './store/calls.ts';
import { type Claim, claim } from './store/claims.ts';
import { forgetOldRuns } from './store/forget.ts';
import { callIdOf } from './store/log.ts';
import { describeDepots } from './store/stores.contract.ts';
import { renewLease } from './store/workers.ts';
import { Tenants } from './tenants.ts';

const never = new AbortController().signal;

describeDepots((stores) => {
  const database = () => stores().database;
  let runs: Runs;
  let doorbell: Doorbell;

  beforeEach(async () => {
    doorbell = await stores().doorbell();
    // A hint may come before Redis has taken note of who listens.
    const settings = { leaseMs: 600_000, relookMs: 60_000, pollMs: 100 };
    runs = new Runs({ ...stores(), doorbell }, settings);
    for (const workerId of ['agent', 'tools'])
      await renewLease(database(), { workerId, role: `${workerId}-worker`, slots: 1 }, 600_000);
  });
  afterEach(async () => {
    await doorbell.close();
  });

  const forget = async (tenantId: string, runId: string) => await runs.forget({ tenantId, runId, actor: 'k1' });
  const call = (word: string) => placed(searchOf(word), 0);

  /** A run at work, which has asked for one call. */
  async function working(tenantId: string, runId: string, word = 'word'): Promise<Claim> {
    await runs.accept(acceptanceOf(tenantId, runId, { request: requestOf({ question: `About ${word}?` }) }));
    const owner = await claim(database(), tenantId, runId, 'agent');
    if (owner === null) throw new Error('A new run can be claimed.');
    const step = { number: 1, event: asked(searchOf(word)), answered: [] };
    const spent = {
      modelCalls: 1,
      toolCalls: 0,
      promptTokens: 100,
      cachedTokens: 0,
      completionTokens: 10,
      nanoUsd: 5e8,
      feesNanoUsd: 1,
    };
    await runs.commit(owner, { step, events: [], intents: [call(word)], spent });
    return owner;
  }

  async function begun({ tenantId, runId }: Claim, word = 'word'): Promise<CallClaim> {
    const taken = await claimCall(database(), { tenantId, runId, callId: callIdOf(runId, call(word)) }, 'tools');
    if (taken === null) throw new Error('A new call can be begun.');
    return taken;
  }

  async function end({ tenantId, runId }: Claim, daysAgo = 0): Promise<void> {
    await database().query(
      `UPDATE argosy.runs SET state = 'completed', ended_at = now() - $3 * interval '1 day'
       WHERE tenant_id = $1 AND run_id = $2`,
      [tenantId, runId, daysAgo],
    );
  }

  /** Tables in which some row holds a word, but for how much was spent and who removed it. */
  async function placesOf(word: string): Promise<string[]> {
    const { owner } = stores();
    const tables = await owner.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid AND t.attname = 'tenant_id'
       WHERE c.relkind = 'r' AND c.relnamespace = 'argosy'::regnamespace AND c.relname NOT IN ('past_usage', 'audit_log') ORDER BY 1`,
    );
    const found: string[] = [];
    for (const { name } of tables.rows) {
      const sql = `SELECT 1 FROM argosy.${name} t WHERE t::text LIKE '%' || $1 || '%' LIMIT 1`;
      if ((await owner.query(sql, [word])).rows.length > 0) found.push(name);
    }
    return found;
  }

  describe('a run that is removed', () => {
    it('leaves nothing of itself, but what it spent', async () => {
      const canary = 'canary-a';
      const run = await working('a', canary, canary);
      const taken = await begun(run, canary);
      await putTexts(stores(), run, new Map([[sha256Of(canary), canary]]));
      await finishCall(database(), taken, 'done', observationOf(canary));
      const evidence = new Evidence(database(), stores().bus, { pollMs: 60_000 });
      const wanted = { tenantId: 'a', key: `search ${canary}`, freshMs: 60_000, signal: never };
      await evidence.share(wanted, async () => ({ value: canary, keepMs: 3_600_000 }));
      const topic = topics.delta('a', canary);
      stores().tail.append(topic, canary);
      const texts = stores().objects === null ? ['blobs'] : [];
      expect(await placesOf(canary)).toEqual([
        ...[...texts, 'events', 'evidence', 'run_texts', 'runs', 'steps', 'tool_calls'],
      ]);
      expect(await stores().tail.recent(topic)).toHaveLength(1);
      await end(run);

      await forget('a', canary);

      expect(await placesOf(canary)).toEqual([]);
      expect(await stores().tail.recent(topic)).toEqual([]);
      const spent = await database().query(
        `SELECT day = (now() AT TIME ZONE 'UTC')::date AS today, runs, model_calls, prompt_tokens, completion_tokens, usd
         FROM argosy.past_usage WHERE tenant_id = 'a'`,
      );
      const tokens = { prompt_tokens: 100, completion_tokens: 10 };
      expect(spent.rows).toEqual([{ today: true, runs: 1, model_calls: 1, ...tokens, usd: 0.5 }]);
      await expect(forget('a', canary)).rejects.toThrow(NotFound);
      const log = await stores().owner.query(
        `SELECT actor, action, subject FROM argosy.audit_log WHERE tenant_id = 'a'`,
      );
      expect(log.rows).toEqual([{ actor: 'k1', action: 'run.deleted', subject: canary }]);
      await evidence.close();
    });

    it('adds what it spent to that of the others of its day', async () => {
      for (const runId of ['b1', 'b2']) {
        await end(await working('b', runId));
        await forget('b', runId);
      }
      const { rows } = await database().query(`SELECT runs, usd FROM argosy.past_usage WHERE tenant_id = 'b'`);
      expect(rows).toEqual([{ runs: 2, usd: 1 }]);
    });

    it('takes a text with it that no other run of its tenant cites', async () => {
      const texts = new Map(['own', 'shared'].map((text) => [sha256Of(text), text]));
      const shared = new Map([[sha256Of('shared'), 'shared']]);
      const first = await working('c', 'c1');
      const second = await working('c', 'c2');
      const stranger = await working('c-other', 'c1');
      await putTexts(stores(), first, texts);
      await putTexts(stores(), second, shared);
      await putTexts(stores(), stranger, texts);
      const kept = async (tenantId: string) => [...(await getTexts(stores(), tenantId, [...texts.keys()])).values()];
      await forget('c', 'c1');
      expect(await kept('c')).toEqual(['shared']);
      await forget('c', 'c2');
      expect(await kept('c')).toEqual([]);
      expect((await kept('c-other')).sort()).toEqual(['own', 'shared']);
    });

    it('is nobody else’s to remove', async () => {
      await working('d', 'd1');
      await expect(forget('d-other', 'd1')).rejects.toThrow(NotFound);
      expect(await runs.get('d', 'd1')).toMatchObject({ status: 'running' });
    });

    it('stops whoever works on it: nothing of theirs is stored', async () => {
      const run = await working('e', 'e-at-work');
      const taken = await begun(run);
      const calling = runs.callTools(run, [call('word')], never);
      const following = (async () => {
        const types: string[] = [];
        for await (const { type } of runs.events('e', 'e-at-work', 0, never)) types.push(type);
        return types;
      })();

      await forget('e', 'e-at-work');

      expect(await runs.cancelRequested(run)).toBe(true);
      expect(await calling).toBeNull();
      expect(await following).not.toContain('run.cancelled');
      const step = { number: 2, event: asked(searchOf('more')), answered: [] };
      expect(await runs.commit(run, { step, events: [] })).toEqual({ accepted: false });
      await putTexts(stores(), taken, new Map([[sha256Of('late'), 'late']]));
      expect(await finishCall(database(), taken, 'done', observationOf('late'))).toBe(false);
      expect(await getTexts(stores(), 'e', [sha256Of('late')])).toEqual(new Map());
      expect(await placesOf('e-at-work')).toEqual([]);
    });

    it('takes back the making of what is looked up for it just now', async () => {
      await working('f', 'f1');
      const evidence = new Evidence(database(), stores().bus, { pollMs: 60_000 });
      const wanted = { tenantId: 'f', key: 'search f', freshMs: 60_000, signal: never };
      const shared = evidence.share(wanted, async () => {
        await forget('f', 'f1');
        return { value: 'of f1', keepMs: 3_600_000 };
      });
      expect((await shared).value).toBe('of f1');
      const { rows } = await database().query(`SELECT 1 FROM argosy.evidence WHERE tenant_id = 'f'`);
      expect(rows).toEqual([]);
      await evidence.close();
    });
  });

  describe('runs that ended long ago', () => {
    async function endedRuns(tenantId: string, ages: readonly number[]): Promise<void> {
      for (const [n, age] of ages.entries()) await end(await working(tenantId, `${tenantId}-${n}`), age);
    }
    const left = async (tenantId: string) =>
      (await runs.list(tenantId, { before: null, limit: 100 })).map(({ runId }) => runId).reverse();

    it('go when their tenant keeps them no longer, and nobody else’s do', async () => {
      await new Tenants(stores().owner).create({ tenantId: 'h', name: 'H' }, { retention_days: 30 });
      await new Tenants(stores().owner).create({ tenantId: 'h-ever', name: 'For ever' });
      await endedRuns('h', [31, 29, 400]);
      await endedRuns('h-ever', [400]);
      await endedRuns('h-none', [400]);
      await working('h', 'h-3');
      await database().query(`UPDATE argosy.runs SET accepted_at = now() - interval '99 days' WHERE run_id = 'h-3'`);
      expect(await runs.reconcile()).toMatchObject({ forgotten: 2 });
      expect(await left('h')).toEqual(['h-1', 'h-3']);
      expect([await left('h-ever'), await left('h-none')]).toEqual([['h-ever-0'], ['h-none-0']]);
      expect(await runs.reconcile()).toMatchObject({ forgotten: 0 });
    });

    it('go oldest first, so many at a time, also when two remove them', async () => {
      await new Tenants(stores().owner).create({ tenantId: 'i', name: 'I' }, { retention_days: 1 });
      await endedRuns(
        'i',
        [...Array(25).keys()].map((n) => 2 + n),
      );
      const first = await forgetOldRuns(database());
      expect(first.map(({ runId }) => runId).sort()).toEqual([...Array(20).keys()].map((n) => `i-${5 + n}`).sort());
      const both = await Promise.all([forgetOldRuns(database()), forgetOldRuns(database())]);
      expect(both.flat()).toHaveLength(5);
      expect(await left('i')).toEqual([]);
    });
  });
});
