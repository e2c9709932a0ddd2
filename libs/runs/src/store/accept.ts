import type { ResearchRequest } from '#domain';
import { eventSchemaVersion } from '#domain';
import { ArgosyError, Unavailable } from '#errors';
import { newTraceparent } from '#platform';
import { type Quota, quotaSql, refusalFor } from '../access/quota.ts';
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
  /** What the tenant may have. Default: no limit. */
  readonly quota?: Quota | null;
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

/** How long a key stands for the run that it made, as PostgreSQL reads it. */
const keptFor = '24 hours';

/** Whoever finds a key that is free again may find it taken anew; more often is not chance. */
const mostTries = 5;

/**
 * Writes run and first event in one statement. With an idempotency key of the last 24 hours the earlier run is returned; of
 * those that come with a new one at the same time, one makes the run, and the others wait for it here.
 * @throws IdempotencyConflict; QuotaExceeded, which no repeated request meets; Unavailable when a key is freed and taken
 * again and again
 */
export async function accept(database: Statements, acceptance: Acceptance): Promise<{ runId: string; fresh: boolean }> {
  const { tenantId, runId, requestSha256, idempotencyKey: key, quota = null } = acceptance;
  for (let tries = 0; tries < mostTries; tries++) {
    if (await insertRun(database, acceptance)) return { runId, fresh: true };
    const earlier = key === undefined ? null : await standingRun(database, tenantId, key, requestSha256);
    if (earlier !== null) return { runId: earlier, fresh: false };
    const refusal = quota === null ? null : await refusalFor(database, tenantId, quota, Date.now());
    if (refusal !== null) throw refusal;
  }
  throw new Unavailable(
    `Run ${runId} could not be accepted: its Idempotency-Key, or the place for it, changed hands meanwhile. Try again.`,
  );
}

/** The run that a key stands for. @returns null where the key is free now @throws IdempotencyConflict */
export async function standingRun(
  database: Statements,
  tenantId: string,
  key: string,
  requestSha256: string,
): Promise<string | null> {
  const earlier = await earlierRun(database, tenantId, key);
  if (earlier?.stands && earlier.requestSha256 !== requestSha256) throw new IdempotencyConflict(key);
  if (earlier?.stands) return earlier.runId;
  // Removed meanwhile, or made too long ago.
  await freeKey(database, tenantId, key);
  return null;
}

/** @returns false when the key is taken, or a limit reached */
async function insertRun(database: Statements, acceptance: Acceptance): Promise<boolean> {
  const { tenantId, runId, request, requestSha256, idempotencyKey = null, quota = null } = acceptance;
  const traceparent = acceptance.traceparent ?? newTraceparent();
  const data = { question: request.question, mode: request.mode };
  const { rows } = await database.query(
    `WITH accepted AS (
       INSERT INTO argosy.runs
         (tenant_id, run_id, state, request, schema_version, idempotency_key, request_sha256, last_seq, traceparent)
       SELECT $1::text, $2::text, 'queued', $3::jsonb, $4::integer, $5::text, $6::text, 1, $8::text
       WHERE $9::jsonb IS NULL OR argosy.limit_reached($1, $9::jsonb) IS NULL
       ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
       RETURNING tenant_id, run_id
     )
     INSERT INTO argosy.events (tenant_id, run_id, seq, type, schema_version, data)
     SELECT tenant_id, run_id, 1, 'run.accepted', $4, $7::jsonb FROM accepted RETURNING run_id`,
    [
      ...[tenantId, runId, toJsonb(request), eventSchemaVersion, idempotencyKey, requestSha256],
      ...[toJsonb(data), traceparent, quotaSql(quota)],
    ],
  );
  return rows.length > 0;
}

interface EarlierRun {
  readonly runId: string;
  readonly requestSha256: string;
  /** Its key is still its own. */
  readonly stands: boolean;
}

async function earlierRun(database: Statements, tenantId: string, key: string): Promise<EarlierRun | null> {
  const { rows } = await database.query<EarlierRun>(
    `SELECT run_id AS "runId", request_sha256 AS "requestSha256", accepted_at > now() - interval '${keptFor}' AS stands
     FROM argosy.runs WHERE tenant_id = $1 AND idempotency_key = $2`,
    [tenantId, key],
  );
  return rows[0] ?? null;
}

/** Takes a key from a run that was made too long ago. Safe to do twice at once. */
async function freeKey(database: Statements, tenantId: string, key: string): Promise<void> {
  await database.query(
    `UPDATE argosy.runs SET idempotency_key = NULL
     WHERE tenant_id = $1 AND idempotency_key = $2 AND accepted_at <= now() - interval '${keptFor}'`,
    [tenantId, key],
  );
}
