import { eventSchemaVersion } from '#domain';
import { callsInWork } from '../scaling/work.ts';
import type { Statements } from './database.ts';

/** How the fleet stands at one moment. */
export interface Census {
  readonly queued: number;
  readonly running: number;
  /** How long the oldest queued run has waited since it was accepted; 0 without any. */
  readonly oldestSeconds: number;
  /** Queued runs that a newer release has written to: no worker of this release takes them. */
  readonly newer: number;
  /** Calls of tools that wait for a worker, how long the oldest of them has, and those that are performed. */
  readonly calls: { readonly waiting: number; readonly oldestSeconds: number; readonly running: number };
  /** Living workers and their slots, by role. */
  readonly workers: readonly { readonly role: string; readonly count: number; readonly slots: number }[];
}

/** Counts runs, calls and workers. Cost: one look at the unfinished ones. */
export async function takeCensus(database: Statements): Promise<Census> {
  const runs = await database.query<Omit<Census, 'workers' | 'calls'>>(
    `SELECT count(*) FILTER (WHERE state = 'queued')::int AS queued,
       count(*) FILTER (WHERE state = 'running')::int AS running,
       coalesce(extract(epoch FROM now() - min(accepted_at) FILTER (WHERE state = 'queued')), 0)::float8
         AS "oldestSeconds",
       count(*) FILTER (WHERE state = 'queued' AND schema_version > $1)::int AS newer
     FROM argosy.runs WHERE state IN ('queued', 'running', 'waiting')`,
    [eventSchemaVersion],
  );
  const workers = await database.query<Census['workers'][number]>(
    `SELECT role, count(*)::int AS count, sum(slots)::int AS slots FROM argosy.workers
     WHERE lease_until > now() GROUP BY role ORDER BY role`,
  );
  const [counts = { queued: 0, running: 0, oldestSeconds: 0, newer: 0 }] = runs.rows;
  const { waiting, active, oldestWaitMs } = await callsInWork(database);
  const calls = { waiting, running: active, oldestSeconds: oldestWaitMs / 1000 };
  return { ...counts, calls, workers: workers.rows };
}
