import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { canOwnServers } from '../support/servers.ts';
import { checkInvariants, type Observed } from './invariants.ts';
import { rehearse, type Scenario } from './scenario.ts';
import { Stage } from './stage.ts';
import { tagOf } from './world.ts';

const describeOwn = canOwnServers ? describe : describe.skip;

/** What breaks: rows of one sound run, given as $1, or what was seen from outside. */
interface Breach {
  readonly invariant: string;
  readonly what: string;
  readonly sql?: string;
  readonly seen?: (sound: Observed, runId: string) => Partial<Observed>;
}

const firstOf = <K, V>(map: ReadonlyMap<K, V>): [K, V] => [...map][0] as [K, V]; // of maps that hold the rehearsal

const breaches: readonly Breach[] = [
  {
    invariant: 'I1',
    what: 'a run that has not ended',
    sql: `UPDATE argosy.runs SET state = 'running', ended_at = NULL WHERE run_id = $1`,
  },
  {
    invariant: 'I1',
    what: 'a run without its last event',
    sql: `WITH gone AS (DELETE FROM argosy.events WHERE run_id = $1 AND type = 'run.completed')
      UPDATE argosy.runs SET last_seq = last_seq - 1 WHERE run_id = $1`,
  },
  {
    invariant: 'I1',
    what: 'a run that ended twice',
    sql: `WITH more AS (
        INSERT INTO argosy.events (tenant_id, run_id, seq, type, schema_version, data)
        SELECT tenant_id, run_id, last_seq + 1, 'run.failed', 1, '{}' FROM argosy.runs WHERE run_id = $1)
      UPDATE argosy.runs SET last_seq = last_seq + 1 WHERE run_id = $1`,
  },
  {
    invariant: 'I1',
    what: 'a run that was taken up again after its end',
    sql: `INSERT INTO chaos.history (what, tenant_id, run_id, was, became)
      SELECT 'state', tenant_id, run_id, 'completed', 'queued' FROM argosy.runs WHERE run_id = $1`,
  },
  {
    invariant: 'I2',
    what: 'a step that is missing',
    sql: 'DELETE FROM argosy.steps WHERE run_id = $1 AND step_no = 2',
  },
  {
    invariant: 'I2',
    what: 'a step of an older epoch after one of a newer',
    sql: 'UPDATE argosy.steps SET epoch = 0 WHERE run_id = $1 AND step_no = 3',
  },
  {
    invariant: 'I2',
    what: 'a step that was changed',
    sql: 'UPDATE argosy.steps SET committed_at = now() WHERE run_id = $1 AND step_no = 1',
  },
  {
    invariant: 'I3',
    what: 'a model call that was charged twice',
    sql: 'UPDATE argosy.runs SET model_calls = model_calls + 1 WHERE run_id = $1',
  },
  {
    invariant: 'I3',
    what: 'tokens that no step has',
    sql: 'UPDATE argosy.runs SET prompt_tokens = prompt_tokens + 1 WHERE run_id = $1',
  },
  {
    invariant: 'I3',
    what: 'a model call that nobody knows of',
    seen: ({ asked }) => ({ asked: [...asked, ...asked.slice(0, 1)] }),
  },
  {
    invariant: 'I4',
    what: 'more tokens than the budget has',
    sql: `UPDATE argosy.runs SET request = jsonb_set(request, '{limits,budget,tokens}', '10') WHERE run_id = $1`,
  },
  {
    invariant: 'I4',
    what: 'more model calls than the budget has',
    sql: `UPDATE argosy.runs SET request = jsonb_set(request, '{limits,budget,steps}', '1') WHERE run_id = $1`,
  },
  { invariant: 'I5', what: 'an event that is missing', sql: 'DELETE FROM argosy.events WHERE run_id = $1 AND seq = 3' },
  {
    invariant: 'I5',
    what: 'an event that a client saw twice',
    seen: ({ streams }) => {
      const [runId, events] = firstOf(streams);
      return { streams: new Map([...streams, [runId, [...events.slice(0, 2), ...events.slice(1)]]]) };
    },
  },
  {
    invariant: 'I5',
    what: 'an event that a client missed',
    seen: ({ streams }) => {
      const [runId, events] = firstOf(streams);
      return { streams: new Map([...streams, [runId, events.toSpliced(2, 1)]]) };
    },
  },
  {
    invariant: 'I6',
    what: 'text of another run in an event',
    sql: `UPDATE argosy.events SET data = '{"url": "http://h/s77r77k777/"}' WHERE run_id = $1 AND seq = 2`,
  },
  {
    invariant: 'I6',
    what: 'a row of a run under another tenant',
    sql: `INSERT INTO argosy.events (tenant_id, run_id, seq, type, schema_version, data) VALUES ('other', $1, 1, 'x', 1, '{}')`,
  },
  {
    invariant: 'I6',
    what: 'a text that is not there for its tenant',
    sql: `UPDATE argosy.blobs SET tenant_id = 'other' WHERE $1 <> ''`,
  },
  {
    invariant: 'I7',
    what: 'steps after the end was asked for',
    sql: `INSERT INTO chaos.history (n, what, tenant_id, run_id) OVERRIDING SYSTEM VALUE
      SELECT 0, 'cancel', tenant_id, run_id FROM argosy.runs WHERE run_id = $1`,
  },
  {
    invariant: 'I8',
    what: 'a step that was written when another had taken over',
    sql: `UPDATE chaos.history SET run_epoch = epoch + 1 WHERE run_id = $1 AND what = 'step'`,
  },
  {
    invariant: 'I8',
    what: 'a run that was taken from a live owner',
    sql: `UPDATE chaos.history SET was = 'running', owner_alive = true WHERE run_id = $1 AND what = 'claimed'`,
  },
  {
    invariant: 'I8',
    what: 'a run that was ended by a process that does not own it',
    sql: `UPDATE chaos.history SET port = 1 WHERE run_id = $1 AND what = 'state' AND became = 'completed'`,
  },
  {
    invariant: 'I8',
    what: 'a call that was finished by a process that does not have it',
    sql: `UPDATE chaos.history SET port = 1 WHERE run_id = $1 AND what = 'call' AND became = 'done'`,
  },
  {
    invariant: 'I9',
    what: 'a call that a live worker still has',
    sql: `UPDATE argosy.tool_calls SET state = 'running', worker_id = (SELECT max(worker_id) FROM argosy.workers) WHERE run_id = $1`,
  },
  {
    invariant: 'I10',
    what: 'a quotation that is not in its text',
    sql: `UPDATE argosy.runs SET report = jsonb_set(report, '{claims,0,citations,0,quote}', '"made up"') WHERE run_id = $1`,
  },
  {
    invariant: 'I10',
    what: 'a text that changed under its citations',
    sql: `UPDATE argosy.blobs SET text = 'x' || text WHERE $1 <> ''`,
  },
  {
    invariant: 'I11',
    what: 'two runs of one request',
    seen: ({ accepted }, runId) => ({
      accepted: [...accepted, { key: 'twice', runId: 'run_x' }, { key: 'twice', runId }],
    }),
  },
  {
    invariant: 'I11',
    what: 'a run that no client was told of',
    seen: ({ accepted }) => ({ accepted: accepted.slice(1) }),
  },
  {
    invariant: 'I12',
    what: 'a run that was accepted and is lost',
    seen: ({ accepted }) => ({ accepted: [...accepted, { key: 'lost', runId: 'run_lost' }] }),
  },
  {
    invariant: 'I12',
    what: 'a refusal that does not say when to come again',
    seen: () => ({ refused: [{ status: 503, retryAfter: null, body: '' }] }),
  },
  {
    invariant: 'I12',
    what: 'a refusal that looks like a fault',
    seen: () => ({ refused: [{ status: 500, retryAfter: '1', body: '' }] }),
  },
  {
    invariant: 'paid',
    what: 'a call that was begun again after its result was known',
    sql: `INSERT INTO chaos.history (what, tenant_id, run_id, was, became)
      SELECT 'call', tenant_id, run_id, 'done', 'running' FROM argosy.runs WHERE run_id = $1`,
  },
  {
    invariant: 'paid',
    what: 'a page that was asked for more often than its call was begun',
    seen: ({ visits }) => ({ visits: [...visits, ...visits.slice(0, 1)] }),
  },
  {
    invariant: 'paid',
    what: 'a page that was asked for after its result was known',
    seen: ({ visits }) => ({ visits: visits.map((visit) => ({ ...visit, at: visit.at + 60_000 })) }),
  },
  {
    invariant: 'report',
    what: 'a report that differs',
    sql: `UPDATE argosy.runs SET report = jsonb_set(report, '{answer}', '"other"') WHERE run_id = $1`,
  },
];

describeOwn('the checker of the invariants (needs servers of its own)', () => {
  let stage: Stage;
  let sound: Scenario;
  beforeAll(async () => {
    stage = await Stage.open('invariants');
    sound = await rehearse(stage);
  }, 60_000);
  afterAll(async () => {
    await stage.discard();
  }, 60_000);

  it('has nothing to say of an undisturbed load', async () => {
    expect(await sound.violations()).toEqual([]);
  });

  it.each(breaches)('finds by $invariant $what', async ({ invariant, sql, seen }) => {
    const runId = sound.runs.get(tagOf(sound.scope, 0)) ?? '';
    await stage.withSql(async (client) => {
      // Keys and triggers would refuse much of this; all of it is undone.
      await client.query('BEGIN');
      try {
        if (/^INSERT INTO argosy|SET tenant_id/.test(sql ?? ''))
          await client.query('SET LOCAL session_replication_role = replica');
        if (sql !== undefined) await client.query(sql, [runId]);
        const observed = sound.observed();
        const found = await checkInvariants(client, { ...observed, ...seen?.(observed, runId) });
        expect(found.map((violation) => violation.invariant)).toContain(invariant);
      } finally {
        await client.query('ROLLBACK');
      }
    });
  });
});
