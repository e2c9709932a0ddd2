import { eventSchemaVersion } from '#domain';
import type { Database } from './database.ts';

/** A run whose ring is due. */
export interface DueRun {
  readonly tenantId: string;
  readonly runId: string;
  readonly epoch: number;
  /** Number of this ring; makes its key new. */
  readonly rings: number;
}

/**
 * Takes runs from the backlog, one of each tenant before the second of any, until `window` runs are rung or running.
 * Returned in the order in which they are to be rung.
 * The rings are counted here and must be sent by the caller; one that gets lost is due again when {@link putBackStranded} finds it.
 */
export async function takeDue(database: Database, window: number): Promise<DueRun[]> {
  const { rows } = await database.query<{ tenant_id: string; run_id: string; epoch: number; rings: number }>(
    `WITH busy AS (
       SELECT count(*)::int AS n FROM argosy.runs WHERE state = 'running' OR (state = 'queued' AND rung_at IS NOT NULL)
     ), backlog AS (
       SELECT tenant_id, run_id, accepted_at,
         row_number() OVER (PARTITION BY tenant_id ORDER BY accepted_at, run_id) AS place
       FROM argosy.runs WHERE state = 'queued' AND rung_at IS NULL
     ), due AS (
       SELECT tenant_id, run_id, place, accepted_at FROM backlog ORDER BY place, accepted_at
       LIMIT greatest(0, $1 - (SELECT n FROM busy))
     ), taken AS (
       UPDATE argosy.runs r SET rung_at = now(), rings = rings + 1 FROM due
       WHERE r.tenant_id = due.tenant_id AND r.run_id = due.run_id AND r.state = 'queued' AND r.rung_at IS NULL
       RETURNING r.tenant_id, r.run_id, r.epoch, r.rings, due.place, due.accepted_at
     )
     SELECT tenant_id, run_id, epoch, rings FROM taken ORDER BY place, accepted_at`,
    [window],
  );
  return rows.map((row) => ({ tenantId: row.tenant_id, runId: row.run_id, epoch: row.epoch, rings: row.rings }));
}

/**
 * Puts back into the backlog what should move and does not: runs whose owner's lease ended, and runs that were rung
 * more than `relookMs` ago without being claimed. Safe to run anywhere, any number of times.
 * @returns how many were put back
 */
export async function putBackStranded(database: Database, relookMs: number): Promise<number> {
  const { changed } = await database.query(
    `UPDATE argosy.runs r SET state = 'queued', worker_id = NULL, rung_at = NULL
     WHERE (state = 'running' AND NOT EXISTS (
         SELECT 1 FROM argosy.workers w WHERE w.worker_id = r.worker_id AND w.lease_until > now()))
       OR (state = 'queued' AND rung_at < now() - $1 * interval '1 ms')`,
    [relookMs],
  );
  return changed;
}

/**
 * Ends runs that are to be cancelled before they took a step: the epoch grows, so that a late claim is refused. A run
 * that has taken steps goes to a worker instead, which reports what it had found.
 * @returns the ended runs
 */
export async function endCancelledUnstarted(database: Database): Promise<{ tenantId: string; runId: string }[]> {
  const { rows } = await database.query<{ tenant_id: string; run_id: string }>(
    `WITH ended AS (
       UPDATE argosy.runs SET state = 'cancelled', epoch = epoch + 1, ended_at = now(), last_seq = last_seq + 1
       WHERE state = 'queued' AND cancel_requested AND last_step = 0
       RETURNING tenant_id, run_id, last_seq
     )
     INSERT INTO argosy.events (tenant_id, run_id, seq, type, schema_version, data)
     SELECT tenant_id, run_id, last_seq, 'run.cancelled', $1, '{"reason": "cancelled"}'::jsonb FROM ended
     RETURNING tenant_id, run_id`,
    [eventSchemaVersion],
  );
  return rows.map((row) => ({ tenantId: row.tenant_id, runId: row.run_id }));
}
