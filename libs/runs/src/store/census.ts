import { eventSchemaVersion, type ToolKind, toolKinds } from '#domain';
import { isWanted, kindOfCall } from './call-rings.ts';
import type { Statements } from './database.ts';

/** How the fleet stands at one moment. */
export interface Census {
  readonly queued: number;
  readonly running: number;
  /** How long the oldest queued run has waited since it was accepted; 0 without any. */
  readonly oldestSeconds: number;
  /** Queued runs that a newer release has written to: no worker of this release takes them. */
  readonly newer: number;
  /** Living workers and their slots, by role. */
  readonly workers: readonly { readonly role: string; readonly count: number; readonly slots: number }[];
  /** Tool calls that runs wait for, and who would take them; every kind is there. */
  readonly calls: readonly CallCensus[];
}

/** How it stands with calls of one kind. */
export interface CallCensus {
  readonly kind: ToolKind;
  readonly waiting: number;
  readonly running: number;
  /** Since the longest waiting one was asked for; 0 without any. */
  readonly oldestSeconds: number;
  /** Living workers that take them, also those that take any. */
  readonly workers: number;
}

/** Counts runs, workers and calls. Cost: one look at the unfinished runs and calls. */
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
  return { ...counts, workers: workers.rows, calls: await countCalls(database) };
}

async function countCalls(database: Statements): Promise<readonly CallCensus[]> {
  const { rows } = await database.query<CallCensus>(
    `WITH unfinished AS (
       SELECT ${kindOfCall} AS kind, count(*) FILTER (WHERE state = 'intent')::int AS waiting,
         count(*) FILTER (WHERE state = 'running')::int AS running,
         extract(epoch FROM now() - min(asked_at) FILTER (WHERE state = 'intent'))::float8 AS oldest
       FROM argosy.tool_calls c WHERE state IN ('intent', 'running') AND ${isWanted} GROUP BY 1
     )
     SELECT kind, coalesce(waiting, 0) AS waiting, coalesce(running, 0) AS running,
       coalesce(oldest, 0)::float8 AS "oldestSeconds",
       (SELECT count(*)::int FROM argosy.workers w WHERE w.role = 'tool-worker' AND w.lease_until > now()
         AND (w.kinds IS NULL OR kind = ANY (w.kinds))) AS workers
     FROM unnest($1::text[]) WITH ORDINALITY AS kinds (kind, place) LEFT JOIN unfinished USING (kind) ORDER BY place`,
    [toolKinds],
  );
  return rows;
}
