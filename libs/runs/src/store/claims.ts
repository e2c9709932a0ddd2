import type { ResearchEvent, ResearchRequest, StoredRequest } from '#domain';
import { eventSchemaVersion, fromStart, upcastRequest } from '#domain';
import { messageOf } from '#errors';
import { startWait } from '../instruments.ts';
import { Batching } from './batching.ts';
import type { Statements } from './database.ts';
import { readLog } from './history.ts';
import { toJsonb } from './json.ts';
import type { Ownership } from './ledger.ts';

/** A run in the hands of one worker, with all it needs to go on. */
export interface Claim extends Ownership {
  /** What was accepted; a deadline counts among its limits in seconds, too. */
  readonly request: ResearchRequest;
  /** Committed events, oldest first. */
  readonly log: readonly ResearchEvent[];
  /** The first claim, in ms since 1970 by the database's clock. */
  readonly startedMs: number;
  /** Seconds between the first claim and this one. */
  readonly elapsedSeconds: number;
  readonly cancelRequested: boolean;
  /** The trace that the run belongs to, and the span that accepted it; W3C `traceparent`. */
  readonly traceparent: string;
  /** Set for a run that workers keep dying or failing on: it is to be ended with what it has, for this reason. */
  readonly hopeless: string | null;
}

/**
 * Claims that may be lost one after the other without a committed step between them. More, and the run is what kills its
 * workers; an outage or a rolling update loses one or two.
 */
export const mostLostClaims = 10;

const deadOwner = `NOT EXISTS (
  SELECT 1 FROM argosy.workers w WHERE w.worker_id = r.worker_id AND w.lease_until > now())`;

interface ClaimedRow {
  readonly ord: number;
  readonly last_step: number;
  readonly epoch: number;
  readonly request: StoredRequest;
  readonly cancel_requested: boolean;
  readonly elapsed: number;
  /** Milliseconds since 1970. */
  readonly started_ms: number;
  readonly lost_claims: number;
  /** Seconds between acceptance and the first claim; null for a later one. */
  readonly waited: number | null;
  readonly traceparent: string;
  readonly error: string | null;
}

/**
 * Parameters: rings as JSON, version of events. A run that a newer release has written to is left to workers of that
 * release. Rows are locked in key order, so that two batches, of claims or of commits, cannot deadlock.
 */
const claimSql = `
WITH input AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset($1::jsonb) AS i (ord integer, tenant_id text, run_id text, worker_id text)
), free AS MATERIALIZED (
  SELECT i.ord, i.worker_id, r.tenant_id, r.run_id, r.epoch, r.state = 'running' AS lost
  FROM input i JOIN argosy.runs r ON r.tenant_id = i.tenant_id AND r.run_id = i.run_id
  WHERE r.state IN ('queued', 'running') AND r.schema_version <= $2::int AND ${deadOwner}
    AND EXISTS (SELECT 1 FROM argosy.workers w WHERE w.worker_id = i.worker_id AND w.lease_until > now())
), held AS MATERIALIZED (
  SELECT f.* FROM argosy.runs r JOIN free f ON r.tenant_id = f.tenant_id AND r.run_id = f.run_id
  -- Whoever waited for the row looks at it again, but not at the leases: only the epoch tells that it was taken.
  WHERE r.epoch = f.epoch AND r.state IN ('queued', 'running')
  ORDER BY r.tenant_id, r.run_id
  FOR NO KEY UPDATE OF r
), claimed AS (
  UPDATE argosy.runs r SET
    epoch = r.epoch + 1, worker_id = h.worker_id, state = 'running', not_before = NULL, started_at = coalesce(started_at, now()),
    last_seq = last_seq + CASE WHEN r.epoch = 0 THEN 2 ELSE 0 END,
    lost_claims = r.lost_claims + h.lost::int,
    asked_tokens = CASE WHEN r.last_step = 0 THEN coalesce(r.asked_tokens, 0) ELSE r.asked_tokens END,
    lost_model_calls = r.lost_model_calls + (h.lost AND r.asked_tokens IS NOT NULL)::int,
    lost_prompt_tokens = r.lost_prompt_tokens + CASE WHEN h.lost THEN coalesce(r.asked_tokens, 0) ELSE 0 END
  FROM held h WHERE r.tenant_id = h.tenant_id AND r.run_id = h.run_id
  RETURNING r.*, h.ord
), told AS (
  INSERT INTO argosy.events (tenant_id, run_id, seq, type, schema_version, data)
  SELECT tenant_id, run_id, last_seq - 1, 'run.started', $2::int, '{}'::jsonb FROM claimed WHERE epoch = 1
  UNION ALL
  SELECT tenant_id, run_id, last_seq, 'step.started', $2::int, '{"step": 0}'::jsonb FROM claimed WHERE epoch = 1
)
SELECT ord, epoch, last_step, request, cancel_requested, lost_claims, traceparent, error,
  extract(epoch FROM now() - started_at)::float8 AS elapsed,
  CASE WHEN epoch = 1 THEN extract(epoch FROM started_at - accepted_at)::float8 END AS waited,
  (extract(epoch FROM started_at) * 1000)::float8 AS started_ms FROM claimed`;

/**
 * Takes a run that nobody alive owns, for a worker whose own lease is alive: the epoch grows by one, and every write of
 * an earlier owner is refused from then on. The first claim also tells the run's clients that it started.
 * @returns null when there is nothing to take
 * @throws LogUnreadable; the run is then let go and counts as lost once more
 */
export async function claim(
  database: Statements,
  tenantId: string,
  runId: string,
  workerId: string,
): Promise<Claim | null> {
  return await new Claims(database).claim({ tenantId, runId, workerId });
}

type Candidate = Omit<Ownership, 'epoch'>;

export class Claims {
  readonly #database: Statements;
  readonly #batching: Batching<Candidate, ClaimedRow | undefined>;

  constructor(database: Statements) {
    this.#database = database;
    this.#batching = new Batching({
      keyOf: ({ runId, tenantId }) => `${runId} ${tenantId}`,
      write: async (batch) => await this.#take(batch),
    });
  }

  async claim(candidate: Candidate): Promise<Claim | null> {
    const row = await this.#batching.add(candidate);
    if (row === undefined) return null;
    if (row.waited !== null) startWait.record(row.waited);
    const ownership = { ...candidate, epoch: row.epoch };
    const request = upcastRequest(row.request);
    return {
      ...ownership,
      request: { ...request, limits: fromStart(request.limits, row.started_ms) },
      log: row.last_step === 0 ? [] : await logOrLetGo(this.#database, ownership),
      startedMs: row.started_ms,
      elapsedSeconds: row.elapsed,
      cancelRequested: row.cancel_requested,
      traceparent: row.traceparent,
      hopeless: row.lost_claims < mostLostClaims ? null : hopelessness(row.lost_claims, row.error),
    };
  }

  async #take(batch: readonly Candidate[]): Promise<(ClaimedRow | undefined)[]> {
    const input = batch.map(({ tenantId, runId, workerId }, ord) => ({
      ord,
      tenant_id: tenantId,
      run_id: runId,
      worker_id: workerId,
    }));
    const { rows } = await this.#database.query<ClaimedRow>(claimSql, [toJsonb(input), eventSchemaVersion]);
    const claimed = new Map(rows.map((row) => [row.ord, row]));
    return batch.map((_, ord) => claimed.get(ord));
  }
}

/** Why a run is given up. */
export function hopelessness(lostClaims: number, lastError: string | null): string {
  const last = lastError === null ? '' : ` The last fault was: ${lastError}`;
  return `The run was begun ${lostClaims} times without a step, and each time its worker died or failed.${last}`;
}

/** A log that cannot be read must not hold its worker up: the run is put back, and given up when that does not help. */
async function logOrLetGo(database: Statements, owner: Ownership): Promise<ResearchEvent[]> {
  const { tenantId, runId, workerId, epoch } = owner;
  try {
    return await readLog(database, tenantId, runId);
  } catch (error) {
    // Rung just now, so that it is due again after the usual time and not at once.
    await database.query(
      `UPDATE argosy.runs SET state = 'queued', worker_id = NULL, rung_at = now(), lost_claims = lost_claims + 1, error = $5
       WHERE tenant_id = $1 AND run_id = $2 AND worker_id = $3 AND epoch = $4 AND state = 'running'`,
      [tenantId, runId, workerId, epoch, messageOf(error)],
    );
    throw error;
  }
}
