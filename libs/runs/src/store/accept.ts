import type { ResearchRequest } from '#domain';
import { eventSchemaVersion } from '#domain';
import { ArgosyError } from '#errors';
import { newTraceparent } from '#platform';
import type { Statements } from './database.ts';
import { toJsonb } from './json.ts';

/** A request that passed every check, ready to become a run. */
export interface Acceptance {
  readonly tenantId: string;
  readonly runId: string;
  readonly request: ResearchRequest;
  /** Hash of the request body as the client sent it; tells a repeated request from another under the same key. */
  readonly requestSha256: string;
  readonly idempotencyKey?: string;
  /** The trace that the run belongs to. Default: a new one. */
  readonly traceparent?: string;
}

/** The same Idempotency-Key came with another request before. */
export class IdempotencyConflict extends ArgosyError {
  override readonly name = 'IdempotencyConflict';
  readonly code = 'idempotency_conflict';
  readonly retryable = false;
  constructor(key: string) {
    super(
      `Idempotency-Key ${JSON.stringify(key)} was used with a different request. Send a new key for a new request.`,
    );
  }
}

/**
 * Writes run and first event in one statement. With a known idempotency key the earlier run is returned.
 * @throws IdempotencyConflict
 */
export async function accept(database: Statements, acceptance: Acceptance): Promise<{ runId: string; fresh: boolean }> {
  const { tenantId, runId, request, requestSha256, idempotencyKey = null } = acceptance;
  const traceparent = acceptance.traceparent ?? newTraceparent();
  const data = { question: request.question, mode: request.mode };
  const { rows } = await database.query(
    `WITH accepted AS (
       INSERT INTO argosy.runs
         (tenant_id, run_id, state, request, schema_version, idempotency_key, request_sha256, last_seq, traceparent)
       VALUES ($1, $2, 'queued', $3::jsonb, $4, $5, $6, 1, $8)
       ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
       RETURNING tenant_id, run_id
     )
     INSERT INTO argosy.events (tenant_id, run_id, seq, type, schema_version, data)
     SELECT tenant_id, run_id, 1, 'run.accepted', $4, $7::jsonb FROM accepted RETURNING run_id`,
    [tenantId, runId, toJsonb(request), eventSchemaVersion, idempotencyKey, requestSha256, toJsonb(data), traceparent],
  );
  if (rows.length > 0 || idempotencyKey === null) return { runId, fresh: true };
  return { runId: await earlierRun(database, tenantId, idempotencyKey, requestSha256), fresh: false };
}

async function earlierRun(database: Statements, tenantId: string, key: string, requestSha256: string): Promise<string> {
  const { rows } = await database.query<{ run_id: string; request_sha256: string }>(
    'SELECT run_id, request_sha256 FROM argosy.runs WHERE tenant_id = $1 AND idempotency_key = $2',
    [tenantId, key],
  );
  const [earlier] = rows;
  if (earlier === undefined || earlier.request_sha256 !== requestSha256) throw new IdempotencyConflict(key);
  return earlier.run_id;
}
