import type { Observation, ResearchEvent, ResearchRequest } from '#domain';
import { eventSchemaVersion } from '#domain';
import type { Database } from './database.ts';
import type { Ownership } from './ledger.ts';
import { fromPayload, type StepPayload } from './log.ts';

/** A run in the hands of one worker, with all it needs to go on. */
export interface Claim extends Ownership {
  readonly request: ResearchRequest;
  /** Committed events, oldest first. */
  readonly log: readonly ResearchEvent[];
  /** Seconds between the first claim and this one. */
  readonly elapsedSeconds: number;
  readonly cancelRequested: boolean;
}

/** Says or repeats that a worker is alive, for `leaseMs` by the database's clock. */
export async function renewLease(database: Database, workerId: string, role: string, leaseMs: number): Promise<void> {
  await database.query(
    `INSERT INTO argosy.workers (worker_id, role, lease_until) VALUES ($1, $2, now() + $3 * interval '1 ms')
     ON CONFLICT (worker_id) DO UPDATE SET lease_until = EXCLUDED.lease_until`,
    [workerId, role, leaseMs],
  );
}

/** A worker that has stopped gives up its lease at once. */
export async function endLease(database: Database, workerId: string): Promise<void> {
  await database.query('DELETE FROM argosy.workers WHERE worker_id = $1', [workerId]);
}

/** Only for a store that one process holds alone: whoever had leases before is certainly gone. */
export async function endAllLeases(database: Database): Promise<void> {
  await database.query('DELETE FROM argosy.workers');
}

const deadOwner = `NOT EXISTS (
  SELECT 1 FROM argosy.workers w WHERE w.worker_id = r.worker_id AND w.lease_until > now())`;

interface ClaimedRow {
  readonly epoch: number;
  readonly request: ResearchRequest;
  readonly schema_version: number;
  readonly cancel_requested: boolean;
  readonly elapsed: number;
}

/** Parameters: tenant, run, worker, version of events. */
const claimSql = `
WITH free AS MATERIALIZED (
  SELECT tenant_id, run_id, epoch FROM argosy.runs r
  WHERE tenant_id = $1 AND run_id = $2 AND state IN ('queued', 'running') AND ${deadOwner}
    AND EXISTS (SELECT 1 FROM argosy.workers w WHERE w.worker_id = $3 AND w.lease_until > now())
), claimed AS (
  UPDATE argosy.runs r SET
    epoch = r.epoch + 1, worker_id = $3, state = 'running', started_at = coalesce(started_at, now()),
    last_seq = last_seq + CASE WHEN r.epoch = 0 THEN 2 ELSE 0 END
  FROM free WHERE r.tenant_id = free.tenant_id AND r.run_id = free.run_id
    -- Whoever waited for the row looks at it again, but not at the leases: only the epoch tells that it was taken.
    AND r.epoch = free.epoch AND r.state IN ('queued', 'running')
  RETURNING r.*
), told AS (
  INSERT INTO argosy.events (tenant_id, run_id, seq, type, schema_version, data)
  SELECT tenant_id, run_id, last_seq - 1, 'run.started', $4::int, '{}'::jsonb FROM claimed WHERE epoch = 1
  UNION ALL
  SELECT tenant_id, run_id, last_seq, 'step.started', $4::int, '{"step": 0}'::jsonb FROM claimed WHERE epoch = 1
)
SELECT epoch, request, schema_version, cancel_requested,
  extract(epoch FROM now() - started_at)::float8 AS elapsed FROM claimed`;

/**
 * Takes a run that nobody alive owns, for a worker whose own lease is alive: the epoch grows by one, and every write of
 * an earlier owner is refused from then on. The first claim also tells the run's clients that it started.
 * @returns null when there is nothing to take
 * @throws LogUnreadable; the run waits then for another worker, and for its next ring
 */
export async function claim(
  database: Database,
  tenantId: string,
  runId: string,
  workerId: string,
): Promise<Claim | null> {
  const { rows } = await database.query<ClaimedRow>(claimSql, [tenantId, runId, workerId, eventSchemaVersion]);
  const [row] = rows;
  if (row === undefined) return null;
  return {
    tenantId,
    runId,
    workerId,
    epoch: row.epoch,
    request: row.request,
    log: await logOrLetGo(database, { tenantId, runId, workerId, epoch: row.epoch }),
    elapsedSeconds: row.elapsed,
    cancelRequested: row.cancel_requested,
  };
}

/** A worker that cannot read a log must not keep its run: one of a newer release may be able to. */
async function logOrLetGo(database: Database, owner: Ownership): Promise<ResearchEvent[]> {
  const { tenantId, runId, workerId, epoch } = owner;
  try {
    return await readLog(database, tenantId, runId);
  } catch (error) {
    // Rung just now, so that it is due again after the usual time and not at once.
    await database.query(
      `UPDATE argosy.runs SET state = 'queued', worker_id = NULL, rung_at = now()
       WHERE tenant_id = $1 AND run_id = $2 AND worker_id = $3 AND epoch = $4 AND state = 'running'`,
      [tenantId, runId, workerId, epoch],
    );
    throw error;
  }
}

async function readLog(database: Database, tenantId: string, runId: string): Promise<ResearchEvent[]> {
  const steps = await database.query<{ payload: StepPayload; schema_version: number }>(
    'SELECT payload, schema_version FROM argosy.steps WHERE tenant_id = $1 AND run_id = $2 ORDER BY step_no',
    [tenantId, runId],
  );
  const calls = await database.query<{ call_id: string; result: Observation }>(
    'SELECT call_id, result FROM argosy.tool_calls WHERE tenant_id = $1 AND run_id = $2 AND result IS NOT NULL',
    [tenantId, runId],
  );
  const results = new Map(calls.rows.map((row) => [row.call_id, row.result]));
  return steps.rows.map((row) => fromPayload(row.payload, row.schema_version, results));
}
