import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Unavailable } from '#errors';
import { metricsText, startMetrics } from '#platform';
import { parsePrometheus, reading } from '../../../test/support/prometheus.ts';
import { acceptanceOf, asked, reportOf } from '../../../test/support/research.ts';
import { type FreshDatabase, freshDatabase } from '../../../test/support/servers.ts';
import { LocalBus } from './bus.ts';
import { LocalTail } from './deltas.ts';
import type { Answer, Bell, Doorbell } from './doorbell/doorbell.ts';
import { migrateOnce } from './fleet/open.ts';
import { PgDatabase } from './fleet/pg-database.ts';
import type { Membership } from './membership.ts';
import { Runs } from './runs.ts';
import { claim } from './store/claims.ts';
import { renewLease } from './store/workers.ts';

/** Answers in this process, at once. */
class HandBell implements Doorbell {
  away = false;
  #answer: Answer | null = null;
  readonly closing = new AbortController();
  async ring(): Promise<void> {
    if (this.away) throw new Unavailable('Redis is away.');
  }
  async answer(_bell: Bell, answer: Answer) {
    this.#answer = answer;
    return { close: async () => undefined, pause: () => undefined };
  }
  async push(runId: string): Promise<void> {
    await this.#answer?.({ bell: 'runs', tenantId: 'acme', runId, key: runId }, this.closing.signal);
  }
  async withdraw(): Promise<void> {}
  async close(): Promise<void> {}
}

describe('the instruments of runs', () => {
  let fresh: FreshDatabase;
  let database: PgDatabase;
  let bell: HandBell;
  let runs: Runs;
  let member: Membership;

  beforeAll(async () => {
    await startMetrics('test');
    fresh = await freshDatabase();
    database = await PgDatabase.open(fresh.url, { statementMs: 2_000 });
    await migrateOnce(database);
    bell = new HandBell();
    const settings = { leaseMs: 600_000, relookMs: 600_000, pollMs: 50 };
    runs = new Runs({ database, doorbell: bell, bus: new LocalBus(), tail: new LocalTail() }, settings);
    member = await runs.join({ workerId: 'agent', role: 'agent-worker', slots: 5 });
  });
  afterAll(async () => {
    await member.end();
    await database.close();
    await fresh.drop();
  });

  /** How much a figure grows by some work. */
  async function growth(name: string, labels: Readonly<Record<string, string>>, work: () => Promise<unknown>) {
    const before = reading(parsePrometheus(await metricsText()), name, labels);
    await work();
    return reading(parsePrometheus(await metricsText()), name, labels) - before;
  }

  it.each([
    ['other', 'SELECT 1 / 0'],
    ['constraint', 'INSERT INTO argosy.migrations (version) VALUES (1)'],
    ['timeout', 'SELECT pg_sleep(20)'],
    ['connection', 'SELECT pg_terminate_backend(pg_backend_pid())'],
  ])('count a failed statement as %s', async (kind, sql) => {
    const failing = async () => await expect(database.query(sql)).rejects.toThrow();
    expect(await growth('argosy_database_failures_total', {}, async () => undefined)).toBe(0);
    expect(await growth('argosy_database_failures_total', { class: kind }, failing)).toBe(1);
  });

  it('count a server that cannot be reached', async () => {
    const open = async () =>
      await expect(PgDatabase.open('postgres://x@127.0.0.1:1/x', { connectMs: 100 })).rejects.toThrow();
    expect(await growth('argosy_database_failures_total', { class: 'connection' }, open)).toBe(1);
  });

  it('count hand-backs by their reason', async () => {
    let drive = async (_now: AbortSignal): Promise<void> => undefined;
    await runs.answerRuns(member, { concurrency: 1 }, async (_claim, now) => await drive(now));
    const handedBack = async (runId: string, reason: string, work: (now: AbortSignal) => Promise<void>) => {
      drive = work;
      await runs.accept(acceptanceOf('acme', runId));
      const ring = async () => await bell.push(runId).catch(() => undefined);
      return await growth('argosy_run_hand_backs_total', { reason }, ring);
    };
    expect(await handedBack('run-a', 'boundary', async () => undefined)).toBe(1);
    expect(await handedBack('run-b', 'fault', () => Promise.reject(new Error('no')))).toBe(1);
    expect(await handedBack('run-c', 'step', async () => bell.closing.abort())).toBe(1);
    expect(reading(parsePrometheus(await metricsText()), 'argosy_runs_in_flight')).toBe(0);
  });

  it('time how long a run waited for its first claim, and how long it took to its end', async () => {
    await renewLease(database, { workerId: 'timer', role: 'agent-worker', slots: 1 }, 600_000);
    await runs.accept(acceptanceOf('acme', 'run-timed'));
    const take = async () => {
      const owner = await claim(database, 'acme', 'run-timed', 'timer');
      if (owner === null) throw new Error('A run that nobody has can be claimed.');
      return owner;
    };
    const handBack = async () => await runs.commit(await take(), { events: [], outcome: { state: 'queued' } });
    expect(await growth('argosy_run_start_wait_seconds_count', {}, handBack)).toBe(1);
    expect(await growth('argosy_run_start_wait_seconds_count', {}, handBack)).toBe(0);

    const owner = await take();
    const outcome = { state: 'incomplete', report: reportOf('run-timed', 'incomplete') } as const;
    const late = async () => await runs.commit({ ...owner, epoch: owner.epoch - 1 }, { events: [], outcome });
    const end = async () => await runs.commit(owner, { events: [], outcome });
    expect(await growth('argosy_runs_ended_total', {}, late)).toBe(0);
    expect(await growth('argosy_run_duration_seconds_sum', {}, end)).toBe(outcome.report.usage.seconds);
    expect(reading(parsePrometheus(await metricsText()), 'argosy_runs_ended_total', { status: 'incomplete' })).toBe(1);
  });

  it('count runs that were ended before they began', async () => {
    await runs.accept(acceptanceOf('acme', 'run-unbegun'));
    const cancel = async () => await runs.requestCancel('acme', 'run-unbegun');
    expect(await growth('argosy_runs_ended_total', { status: 'cancelled' }, cancel)).toBe(1);
  });

  it('count what the fence refuses', async () => {
    await renewLease(database, { workerId: 'zombie', role: 'agent-worker', slots: 1 }, 600_000);
    await runs.accept(acceptanceOf('acme', 'run-d'));
    const owner = await claim(database, 'acme', 'run-d', 'zombie');
    if (owner === null) throw new Error('A new run can be claimed.');
    const step = { number: 1, event: asked(), answered: [] };
    const late = async () => await runs.commit({ ...owner, epoch: owner.epoch - 1 }, { step, events: [] });
    expect(await growth('argosy_commits_refused_total', {}, late)).toBe(1);
    const inTime = async () => await runs.commit(owner, { step, events: [] });
    expect(await growth('argosy_steps_committed_total', {}, inTime)).toBe(1);
  });

  it('count rings that were lost', async () => {
    bell.away = true;
    await runs.accept(acceptanceOf('acme', 'run-e'));
    const dispatch = async () => expect(await runs.dispatch()).toBeGreaterThan(0);
    expect(await growth('argosy_rings_lost_total', { bell: 'runs' }, dispatch)).toBeGreaterThan(0);
  });
});
