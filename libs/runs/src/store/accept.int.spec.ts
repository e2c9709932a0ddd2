import { describe, expect, it } from '@jest/globals';
import { acceptanceOf, requestOf } from '../../../../test/support/research.ts';
import { Acceptances, IdempotencyConflict } from './accept.ts';
import { getTexts, HashMismatch, putTexts } from './blobs.ts';
import { claim } from './claims.ts';
import type { Statements } from './database.ts';
import { migrate, SchemaTooNew } from './migrate.ts';
import { accept, describeStores } from './stores.contract.ts';
import { getRun, listRuns, type RunPage, readEvents } from './views.ts';
import { renewLease } from './workers.ts';

describeStores((stores) => {
  const database = () => stores().database;

  const countIn = async (table: 'runs' | 'events', tenantId: string): Promise<number> => {
    const { rows } = await database().query<{ n: number }>(
      `SELECT count(*)::int AS n FROM argosy.${table} WHERE tenant_id = $1`,
      [tenantId],
    );
    return rows[0]?.n ?? -1;
  };

  describe('accept', () => {
    it('writes the run and its first event', async () => {
      const request = requestOf({ question: 'Why\0?', metadata: { project: 'x' } });
      expect(await accept(database(), acceptanceOf('a1', 'run-a', { request }))).toEqual({
        runId: 'run-a',
        fresh: true,
        ahead: 0,
      });
      expect(await getRun(database(), 'a1', 'run-a')).toMatchObject({
        status: 'queued',
        question: 'Why\ufffd?',
        model: 'scripted',
        metadata: { project: 'x' },
        startedAt: null,
        report: null,
      });
      const events = await readEvents(database(), 'a1', 'run-a', 0);
      expect(events).toMatchObject([{ seq: 1, type: 'run.accepted', data: { question: 'Why\ufffd?', mode: 'react' } }]);
    });

    it('makes one run of fifty parallel requests under one key', async () => {
      const all = await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          accept(database(), acceptanceOf('a2', `run-${i}`, { idempotencyKey: 'once' })),
        ),
      );
      expect(new Set(all.map(({ runId }) => runId)).size).toBe(1);
      expect(all.filter(({ fresh }) => fresh)).toHaveLength(1);
      expect([await countIn('runs', 'a2'), await countIn('events', 'a2')]).toEqual([1, 1]);
    });

    it('writes what comes at the same time together, each once, in the order in which it came', async () => {
      let statements = 0;
      const counted: Statements = {
        query: async (text, values) => {
          statements += 1;
          return await database().query(text, values);
        },
      };
      const acceptances = new Acceptances(() => counted);
      const first = acceptances.accept(acceptanceOf('a6', 'run-00'));
      const keys = [undefined, 'k', 'k', undefined, 'other'];
      const rest = keys.map(async (key, n) => {
        const keyed = key === undefined ? {} : { idempotencyKey: key };
        return await acceptances.accept(acceptanceOf('a6', `run-0${n + 1}`, keyed));
      });
      expect(await Promise.all([first, ...rest])).toEqual([
        { runId: 'run-00', fresh: true, ahead: 0 },
        { runId: 'run-01', fresh: true, ahead: 1 },
        { runId: 'run-02', fresh: true, ahead: 2 },
        { runId: 'run-02', fresh: false, ahead: null },
        { runId: 'run-04', fresh: true, ahead: 3 },
        { runId: 'run-05', fresh: true, ahead: 4 },
      ]);
      // The first alone, the rest together, and a look at who has the key.
      expect(statements).toBe(3);
      expect([await countIn('runs', 'a6'), await countIn('events', 'a6')]).toEqual([5, 5]);
    });

    it('fails none of its neighbours for one that the database refuses', async () => {
      const acceptances = new Acceptances(() => database());
      const ids = ['run-1', 'run-2', 'run-1', 'run-3'];
      const all = await Promise.allSettled(ids.map(async (id) => await acceptances.accept(acceptanceOf('a7', id))));
      expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
      expect([await countIn('runs', 'a7'), await countIn('events', 'a7')]).toEqual([3, 3]);
    });

    it('refuses another body under a key that was used, and keeps the first', async () => {
      await accept(database(), acceptanceOf('a3', 'run-1', { idempotencyKey: 'k' }));
      const other = acceptanceOf('a3', 'run-2', { idempotencyKey: 'k', requestSha256: 'b'.repeat(64) });
      await expect(accept(database(), other)).rejects.toThrow(IdempotencyConflict);
      expect(await countIn('runs', 'a3')).toBe(1);
    });

    it('frees a key after 24 hours, for whatever comes then: one run of many at once, and its own request', async () => {
      const idempotencyKey = 'daily';
      await accept(database(), acceptanceOf('a5', 'monday', { idempotencyKey }));
      const age = `UPDATE argosy.runs SET accepted_at = accepted_at - $1::interval WHERE tenant_id = 'a5'`;
      await database().query(age, ['23 hours 59 minutes']);
      const again = async (runId: string) => await accept(database(), acceptanceOf('a5', runId, { idempotencyKey }));
      expect(await again('too-soon')).toEqual({ runId: 'monday', fresh: false, ahead: null });
      await database().query(age, ['1 minute']);
      const requestSha256 = 'b'.repeat(64);
      const tuesday = await Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          accept(database(), acceptanceOf('a5', `tuesday-${n}`, { idempotencyKey, requestSha256 })),
        ),
      );
      expect(new Set(tuesday.map(({ runId }) => runId)).size).toBe(1);
      expect(tuesday.filter(({ fresh }) => fresh)).toHaveLength(1);
      await expect(again('wednesday')).rejects.toThrow(IdempotencyConflict);
      expect((await listRuns(database(), 'a5', { before: null, limit: 10 })).map(({ runId }) => runId).sort()).toEqual(
        ['monday', tuesday[0]?.runId].sort(),
      );
    });

    it('makes a run of every request without a key', async () => {
      for (const runId of ['run-1', 'run-2']) await accept(database(), acceptanceOf('a4', runId));
      expect(await countIn('runs', 'a4')).toBe(2);
    });
  });

  describe('tenants', () => {
    it('use the same run ids and keys without seeing each other', async () => {
      const idempotencyKey = 'same';
      for (const tenantId of ['b1', 'b2']) {
        const request = requestOf({ question: `secret of ${tenantId}` });
        const accepted = await accept(database(), acceptanceOf(tenantId, 'run-1', { request, idempotencyKey }));
        expect(accepted).toEqual({ runId: 'run-1', fresh: true, ahead: 0 });
      }
      expect(await getRun(database(), 'b3', 'run-1')).toBeNull();
      for (const tenantId of ['b1', 'b2']) {
        const question = `secret of ${tenantId}`;
        expect(await getRun(database(), tenantId, 'run-1')).toMatchObject({ question });
        expect(await listRuns(database(), tenantId, { before: null, limit: 10 })).toMatchObject([{ question }]);
        expect(await readEvents(database(), tenantId, 'run-1', 0)).toMatchObject([{ data: { question } }]);
      }
    });

    it('do not move each other: a claim takes the run of one alone', async () => {
      for (const tenantId of ['b4', 'b5']) await accept(database(), acceptanceOf(tenantId, 'run-1'));
      await renewLease(database(), { workerId: 'w', role: 'agent-worker', slots: 1 }, 600_000);
      await claim(database(), 'b4', 'run-1', 'w');
      expect(await getRun(database(), 'b5', 'run-1')).toMatchObject({ status: 'queued' });
    });

    it('read no snapshot of each other, even by its hash', async () => {
      const sha256 = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824';
      await accept(database(), acceptanceOf('b6', 'run-1'));
      await putTexts(stores(), { tenantId: 'b6', runId: 'run-1' }, new Map([[sha256, 'hello']]));
      expect(await getTexts(stores(), 'b6', [sha256, 'unknown'])).toEqual(new Map([[sha256, 'hello']]));
      expect(await getTexts(stores(), 'b7', [sha256])).toEqual(new Map());
    });
  });

  describe('a snapshot', () => {
    it('is refused under a hash that is not its own', async () => {
      await expect(
        putTexts(stores(), { tenantId: 'c1', runId: 'r' }, new Map([['0'.repeat(64), 'hello']])),
      ).rejects.toThrow(HashMismatch);
    });
  });

  describe('listing', () => {
    it('goes from new to old, page by page', async () => {
      for (const runId of ['r1', 'r3', 'r2']) await accept(database(), acceptanceOf('d1', runId));
      const first = await listRuns(database(), 'd1', { before: null, limit: 2 });
      expect(first.map(({ runId }) => runId)).toEqual(['r3', 'r2']);
      expect((await listRuns(database(), 'd1', { before: 'r2', limit: 2 })).map(({ runId }) => runId)).toEqual(['r1']);
    });

    it('keeps to what fits: words of the question as they are, a state, a time', async () => {
      const questions = { r1: 'Why do LOCKS expire?', r2: '100% of what?', r3: 'Why do leases end?' };
      for (const [runId, question] of Object.entries(questions)) {
        await accept(database(), acceptanceOf('d2', runId, { request: requestOf({ question }) }));
      }
      const list = async (filter: Partial<RunPage>) => {
        const runs = await listRuns(database(), 'd2', { before: null, limit: 10, ...filter });
        return runs.map(({ runId }) => runId);
      };
      expect(await list({ search: 'locks' })).toEqual(['r1']);
      expect(await list({ search: '%' })).toEqual(['r2']);
      expect(await list({ search: 'why do', before: 'r3' })).toEqual(['r1']);
      expect([await list({ status: 'queued' }), await list({ status: 'failed' })]).toEqual([['r3', 'r2', 'r1'], []]);
      const [earlier, later] = [-1, 1].map((hours) => new Date(Date.now() + hours * 3_600_000).toISOString());
      expect([await list({ since: earlier }), await list({ since: later })]).toEqual([['r3', 'r2', 'r1'], []]);
      expect([await list({ until: earlier }), await list({ until: later })]).toEqual([[], ['r3', 'r2', 'r1']]);
    });
  });

  describe('migrate', () => {
    it('brings a new database up to date and leaves it alone afterwards', async () => {
      await accept(database(), acceptanceOf('e1', 'run-1'));
      const version = await migrate(database());
      expect(version).toBeGreaterThan(0);
      const { rows } = await database().query<{ version: number }>(
        'SELECT version FROM argosy.migrations ORDER BY version',
      );
      expect(rows.map((row) => row.version)).toEqual(Array.from({ length: version }, (_, i) => i + 1));
      expect(await getRun(database(), 'e1', 'run-1')).not.toBeNull();
    });

    it('refuses a database that a newer release wrote', async () => {
      await database().script('INSERT INTO argosy.migrations (version) VALUES (9999)');
      try {
        await expect(migrate(database())).rejects.toThrow(SchemaTooNew);
        await expect(migrate(database())).rejects.toThrow(/schema 9999/);
      } finally {
        await database().script('DELETE FROM argosy.migrations WHERE version = 9999');
      }
    });

    it('gives every table of tenants a primary key that the tenant leads', async () => {
      const { rows } = await database().query<{ table: string; first: string | null }>(
        `SELECT c.relname AS table, (SELECT a.attname FROM pg_index i JOIN pg_attribute a
           ON a.attrelid = c.oid AND a.attnum = i.indkey[0] WHERE i.indrelid = c.oid AND i.indisprimary) AS first
       FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid AND t.attname = 'tenant_id'
       WHERE c.relkind = 'r' AND c.relnamespace = 'argosy'::regnamespace ORDER BY 1`,
      );
      expect(rows.length).toBeGreaterThanOrEqual(6);
      expect(rows.filter(({ first }) => first !== 'tenant_id')).toEqual([]);
    });
  });
});
