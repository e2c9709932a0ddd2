import type { ToolKind } from '#domain';
import { isWanted, kindOfCall } from '../store/call-rings.ts';
import type { Statements } from '../store/database.ts';

/** Roles whose workers can be told to drain. */
export type ScaledRole = 'agent-worker' | 'tool-worker';

/** What work is counted of: a role's, or that of inference groups, which is the runs that ask a model. */
export type WorkKind = ScaledRole | 'inference';

/** How much work there is, at one moment of the database's clock. */
export interface Work {
  readonly atMs: number;
  readonly waiting: number;
  readonly active: number;
  readonly oldestWaitMs: number;
  /** Since the moment that was asked about. */
  readonly arrived: number;
  readonly finished: number;
}

/** A living worker, with what it has in work. */
export interface BusyWorker {
  readonly workerId: string;
  /** 0 once it takes nothing more. */
  readonly slots: number;
  readonly busy: number;
  /** Ages of its jobs, added up: the older they are, the sooner they end is the guess. */
  readonly ageMs: number;
  readonly drainsSinceMs: number | null;
}

const none: Work = { atMs: 0, waiting: 0, active: 0, oldestWaitMs: 0, arrived: 0, finished: 0 };

/**
 * A run that waits for its model does not wait for a worker: more of them would not help it.
 * Cost: one look at the unfinished runs and at those that ended since.
 */
export async function runsInWork(database: Statements, sinceMs: number): Promise<Work> {
  const { rows } = await database.query<Work>(
    `WITH since AS (SELECT to_timestamp($1::float8 / 1000) AS at),
       ended AS (SELECT count(*) AS finished, count(*) FILTER (WHERE accepted_at > since.at) AS arrived
                 FROM argosy.runs, since WHERE ended_at > since.at),
       standing AS (SELECT count(*) FILTER (WHERE state = 'queued' AND (not_before IS NULL OR not_before <= now())) AS waiting,
                      count(*) FILTER (WHERE state <> 'queued') AS active,
                      count(*) FILTER (WHERE accepted_at > since.at) AS arrived,
                      min(greatest(accepted_at, rung_at, not_before)) FILTER (WHERE state = 'queued' AND (not_before IS NULL OR not_before <= now())) AS oldest
                    FROM argosy.runs, since WHERE state IN ('queued', 'running', 'waiting'))
     SELECT extract(epoch FROM now())::float8 * 1000 AS "atMs", waiting::int, active::int, finished::int,
       (ended.arrived + standing.arrived)::int AS arrived,
       coalesce(extract(epoch FROM now() - oldest), 0)::float8 * 1000 AS "oldestWaitMs"
     FROM ended, standing`,
    [sinceMs],
  );
  return rows[0] ?? none;
}

/**
 * Each run in work has a session in some group, and each that is due will want one, or was refused one: it waits for a time
 * without having lost a worker. For how long is not asked, since a run may wait for other things than a group.
 * Cost: as of {@link runsInWork}.
 */
export async function sessionsInWork(database: Statements, sinceMs: number): Promise<Work> {
  const [runs, { rows }] = await Promise.all([
    runsInWork(database, sinceMs),
    database.query<{ refused: number }>(
      `SELECT count(*)::int AS refused FROM argosy.runs
       WHERE state = 'queued' AND not_before > now() AND lost_claims = 0 AND started_at IS NOT NULL`,
    ),
  ]);
  return { ...runs, waiting: runs.waiting + (rows[0]?.refused ?? 0), oldestWaitMs: 0 };
}

/**
 * Calls that runs still wait for, of some kinds or, with null, of all. Cost: one look at the unfinished calls.
 */
export async function callsInWork(database: Statements, kinds: readonly ToolKind[] | null): Promise<Work> {
  const { rows } = await database.query<Work>(
    `SELECT extract(epoch FROM now())::float8 * 1000 AS "atMs", 0 AS arrived, 0 AS finished,
       count(*) FILTER (WHERE state = 'intent')::int AS waiting,
       count(*) FILTER (WHERE state = 'running')::int AS active,
       coalesce(extract(epoch FROM now() - min(asked_at) FILTER (WHERE state = 'intent')), 0)::float8 * 1000
         AS "oldestWaitMs"
     FROM argosy.tool_calls c
     WHERE state IN ('intent', 'running') AND ${isWanted} AND ($1::text[] IS NULL OR ${kindOfCall} = ANY ($1))`,
    [kinds],
  );
  return rows[0] ?? none;
}

const jobs: Readonly<Record<ScaledRole, string>> = {
  'agent-worker': `SELECT worker_id, accepted_at AS begun FROM argosy.runs WHERE state IN ('running', 'waiting')`,
  'tool-worker': `SELECT worker_id, started_at AS begun FROM argosy.tool_calls WHERE state = 'running'`,
};

/** Living workers of a role. Cost: one look at its unfinished jobs. */
export async function workersOf(database: Statements, role: ScaledRole): Promise<readonly BusyWorker[]> {
  const { rows } = await database.query<BusyWorker>(
    `SELECT w.worker_id AS "workerId", w.slots, coalesce(held.busy, 0)::int AS busy,
       coalesce(held.age, 0)::float8 * 1000 AS "ageMs", extract(epoch FROM w.drains_since)::float8 * 1000 AS "drainsSinceMs"
     FROM argosy.workers w LEFT JOIN (
       SELECT worker_id, count(*) AS busy, sum(extract(epoch FROM now() - begun)) AS age FROM (${jobs[role]}) j
       GROUP BY worker_id) held USING (worker_id)
     WHERE w.role = $1 AND w.lease_until > now() ORDER BY w.worker_id`,
    [role],
  );
  return rows;
}
