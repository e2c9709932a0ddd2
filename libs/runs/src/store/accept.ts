import type { ResearchRequest } from '#domain';
import { eventSchemaVersion } from '#domain';
import { ArgosyError, Unavailable } from '#errors';
import { newTraceparent } from '#platform';
import { type Quota, quotaOf, refusalFor } from '../access/quota.ts';
import { Batching } from './batching.ts';
import type { Statements } from './database.ts';
import { toJsonb } from './json.ts';
import { mostAhead } from './views.ts';

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

/** What became of a request. */
export interface Accepted {
  readonly runId: string;
  /** Whether it made the run, and did not find it made. */
  readonly fresh: boolean;
  /** Of a fresh one: runs of its tenant that wait before it, counted to {@link mostAhead}. */
  readonly ahead: number | null;
}

/** Makes requests runs. Those of a tenant that come while a statement is under way travel together in the next one. */
export class Acceptances {
  readonly #doorOf: (tenantId: string) => Statements;
  readonly #batchings = new Map<string, Batching<Acceptance, number | null>>();

  constructor(doorOf: (tenantId: string) => Statements) {
    this.#doorOf = doorOf;
  }

  /**
   * Writes run and first event in one statement. With an idempotency key of the last 24 hours the earlier run is returned;
   * of those that come with a new one at the same time, one makes the run, and the others wait for it here.
   * @throws IdempotencyConflict; QuotaExceeded, which no repeated request meets; Unavailable when a key is freed and taken
   * again and again
   */
  async accept(acceptance: Acceptance): Promise<Accepted> {
    const { tenantId, runId, requestSha256, idempotencyKey: key, quota = null } = acceptance;
    const door = this.#doorOf(tenantId);
    for (let tries = 0; tries < mostTries; tries++) {
      const ahead = await this.#insert(acceptance);
      if (ahead !== null) return { runId, fresh: true, ahead };
      const earlier = key === undefined ? null : await standingRun(door, tenantId, key, requestSha256);
      if (earlier !== null) return { runId: earlier, fresh: false, ahead: null };
      const refusal = quota === null ? null : await refusalFor(door, tenantId, quota, Date.now());
      if (refusal !== null) throw refusal;
    }
    throw new Unavailable(
      `Run ${runId} could not be accepted: its Idempotency-Key, or the place for it, changed hands meanwhile. Try again.`,
    );
  }

  /** @returns how many wait before it; null when the key is taken, or a limit reached */
  async #insert(acceptance: Acceptance): Promise<number | null> {
    const { tenantId, quota = null } = acceptance;
    // A limit is a matter of what is there already, and so of one run after the other.
    if (quotaOf(quota) !== null) return (await insertRuns(this.#doorOf(tenantId), [acceptance]))[0] ?? null;
    return await this.#batchingOf(tenantId).add(acceptance);
  }

  #batchingOf(tenantId: string): Batching<Acceptance, number | null> {
    const known = this.#batchings.get(tenantId);
    if (known !== undefined) return known;
    const door = this.#doorOf(tenantId);
    const made = new Batching<Acceptance, number | null>({
      keyOf: ({ runId }) => runId,
      write: async (batch) => await insertRuns(door, batch),
    });
    this.#batchings.set(tenantId, made);
    return made;
  }
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

/** Of one tenant. @returns for each how many wait before it; null when its key is taken, or a limit reached */
async function insertRuns(database: Statements, batch: readonly Acceptance[]): Promise<(number | null)[]> {
  const { rows } = await database.query<{ run_id: string; waiting: number }>(acceptSql, [
    batch[0]?.tenantId,
    eventSchemaVersion,
    toJsonb(batch.map(toRecord)),
  ]);
  const accepted = new Map(rows.map(({ run_id, waiting }) => [run_id, waiting]));
  let before = 0;
  return batch.map(({ runId }) => {
    const waiting = accepted.get(runId);
    if (waiting === undefined) return null;
    before += 1;
    return Math.min(mostAhead, waiting + before - 1);
  });
}

function toRecord({ runId, request, requestSha256, idempotencyKey, traceparent, quota = null }: Acceptance) {
  return {
    run_id: runId,
    request,
    said: { question: request.question, mode: request.mode },
    key: idempotencyKey ?? null,
    sha: requestSha256,
    traceparent: traceparent ?? newTraceparent(),
    quota: quotaOf(quota),
  };
}

const acceptSql = `WITH given AS (
    SELECT * FROM jsonb_to_recordset($3::jsonb)
      AS g (run_id text, request jsonb, said jsonb, key text, sha text, traceparent text, quota jsonb)
  ), accepted AS (
    INSERT INTO argosy.runs
      (tenant_id, run_id, state, request, schema_version, idempotency_key, request_sha256, last_seq, traceparent)
    SELECT $1::text, g.run_id, 'queued', g.request, $2::integer, g.key, g.sha, 1, g.traceparent FROM given g
    WHERE g.quota IS NULL OR argosy.limit_reached($1, g.quota) IS NULL
    ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING run_id
  ), told AS (
    INSERT INTO argosy.events (tenant_id, run_id, seq, type, schema_version, data)
    SELECT $1, run_id, 1, 'run.accepted', $2, g.said FROM accepted JOIN given g USING (run_id)
  )
  SELECT run_id, (SELECT count(*)::int FROM (
    SELECT 1 FROM argosy.runs WHERE tenant_id = $1 AND state = 'queued' LIMIT ${mostAhead}) q) AS waiting
  FROM accepted`;

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
