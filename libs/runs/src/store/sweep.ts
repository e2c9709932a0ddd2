import { eventSchemaVersion } from '#domain';
import { runsEnded } from '../instruments.ts';
import { hopelessness, mostLostClaims } from './claims.ts';
import type { Statements } from './database.ts';

/** Names a run. */
export interface RunKey {
  readonly tenantId: string;
  readonly runId: string;
}

/** A run whose ring is due. */
export interface DueRun extends RunKey {
  readonly epoch: number;
  /** Number of this ring; makes its key new. */
  readonly rings: number;
  readonly traceparent: string;
}

interface DueRow {
  readonly tenant_id: string;
  readonly run_id: string;
  readonly epoch: number;
  readonly rings: number;
  readonly traceparent: string;
}

/**
 * Takes runs from the backlog, one of each tenant before the second of any, until as many runs are rung or running as
 * the living agent workers have slots. One that waits for its model is not taken before its time, unless to be ended.
 * Returned in the order in which they are to be rung.
 * The rings are counted here and must be sent by the caller; one that gets lost is due again when {@link putBackStranded} finds it.
 */
export async function takeDue(database: Statements): Promise<DueRun[]> {
  const { rows } = await database.query<DueRow>(
    `WITH slots AS (
       SELECT coalesce(sum(slots), 0)::int AS n FROM argosy.workers WHERE role = 'agent-worker' AND lease_until > now()
     ), busy AS (
       SELECT count(*)::int AS n FROM argosy.runs WHERE state = 'running' OR (state = 'queued' AND rung_at IS NOT NULL)
     ), backlog AS (
       SELECT tenant_id, run_id, accepted_at,
         row_number() OVER (PARTITION BY tenant_id ORDER BY accepted_at, run_id) AS place
       FROM argosy.runs WHERE state = 'queued' AND rung_at IS NULL
         AND (not_before IS NULL OR not_before <= now() OR cancel_requested)
     ), due AS (
       SELECT tenant_id, run_id, place, accepted_at FROM backlog ORDER BY place, accepted_at
       LIMIT greatest(0, (SELECT n FROM slots) - (SELECT n FROM busy))
     ), taken AS (
       UPDATE argosy.runs r SET rung_at = now(), rings = rings + 1 FROM due
       WHERE r.tenant_id = due.tenant_id AND r.run_id = due.run_id AND r.state = 'queued' AND r.rung_at IS NULL
       RETURNING r.tenant_id, r.run_id, r.epoch, r.rings, r.traceparent, due.place, due.accepted_at
     )
     SELECT tenant_id, run_id, epoch, rings, traceparent FROM taken ORDER BY place, accepted_at`,
  );
  return rows.map(({ tenant_id, run_id, ...due }) => ({ tenantId: tenant_id, runId: run_id, ...due }));
}

/**
 * Puts back into the backlog what should move and does not: runs whose owner's lease ended, and runs that were rung
 * more than `relookMs` ago without being claimed. A model call that was under way with a lost owner is recorded as
 * lost. Safe to run anywhere, any number of times, and twice at once.
 * @returns how many were put back
 */
export async function putBackStranded(database: Statements, relookMs: number): Promise<number> {
  const { changed } = await database.query(
    `WITH stranded AS MATERIALIZED (
       SELECT tenant_id, run_id, epoch, rings, state FROM argosy.runs r
       WHERE (state = 'running' AND NOT EXISTS (
           SELECT 1 FROM argosy.workers w WHERE w.worker_id = r.worker_id AND w.lease_until > now()))
         OR (state = 'queued' AND rung_at < now() - $1 * interval '1 ms')
     )
     UPDATE argosy.runs r SET
       state = 'queued', worker_id = NULL, rung_at = NULL, lost_claims = r.lost_claims + (s.state = 'running')::int,
       lost_model_calls = r.lost_model_calls + (s.state = 'running' AND r.asked_tokens IS NOT NULL)::int,
       lost_prompt_tokens =
         r.lost_prompt_tokens + CASE WHEN s.state = 'running' THEN coalesce(r.asked_tokens, 0) ELSE 0 END
     FROM stranded s WHERE r.tenant_id = s.tenant_id AND r.run_id = s.run_id
       -- As in a claim: a run that was taken, rung or ended meanwhile is not stranded any more.
       AND r.epoch = s.epoch AND r.rings = s.rings AND r.state = s.state`,
    [relookMs],
  );
  return changed;
}

/**
 * Ends runs that are to be cancelled before they took a step: the epoch grows, so that a late claim is refused. A run
 * that has taken steps goes to a worker instead, which reports what it had found.
 * @returns the ended runs
 */
export async function endCancelledUnstarted(database: Statements): Promise<RunKey[]> {
  return await endUnowned(database, 'cancelled', 'cancel_requested AND last_step = 0', { reason: 'cancelled' });
}

/** Claims beyond {@link mostLostClaims} after which a run is ended without a worker, because ending it kills them, too. */
const lastChances = 3;

/**
 * Ends runs that not even a worker that only was to give them up has ended.
 * @returns the ended runs
 */
export async function endHopeless(database: Statements): Promise<RunKey[]> {
  const most = mostLostClaims + lastChances;
  return await endUnowned(database, 'failed', `lost_claims >= ${most}`, { message: hopelessness(most, null) });
}

async function endUnowned(
  database: Statements,
  state: 'cancelled' | 'failed',
  condition: string,
  data: Readonly<Record<string, string>>,
): Promise<RunKey[]> {
  const { rows } = await database.query<{ tenant_id: string; run_id: string }>(
    `WITH ended AS (
       UPDATE argosy.runs SET state = $2, epoch = epoch + 1, ended_at = now(), last_seq = last_seq + 1,
         error = coalesce(error, $4)
       WHERE state = 'queued' AND ${condition}
       RETURNING tenant_id, run_id, last_seq
     )
     INSERT INTO argosy.events (tenant_id, run_id, seq, type, schema_version, data)
     SELECT tenant_id, run_id, last_seq, 'run.' || $2, $1, $3::jsonb FROM ended
     RETURNING tenant_id, run_id`,
    [eventSchemaVersion, state, JSON.stringify(data), data['message'] ?? null],
  );
  runsEnded.add(rows.length, { status: state });
  return rows.map((row) => ({ tenantId: row.tenant_id, runId: row.run_id }));
}
