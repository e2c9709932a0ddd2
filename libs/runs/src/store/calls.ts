import {
  lateOutcome,
  type Observation,
  type ReadingLimits,
  type SourcePolicy,
  type StoredPolicy,
  type ToolCall,
  type ToolOutcome,
  upcastPolicy,
} from '#domain';
import type { Statements } from './database.ts';
import { toJsonb } from './json.ts';

/** Names a tool call. */
export interface CallKey {
  readonly tenantId: string;
  readonly runId: string;
  readonly callId: string;
}

/** A call in the hands of one tool worker. `attempt` above 1: an earlier worker began it and never reported. */
export interface CallClaim extends CallKey {
  readonly tool: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly attempt: number;
  /** What the call's run may touch. */
  readonly sources: SourcePolicy;
  /** Addresses that it may open, where its run opens known ones only; null where nobody has said. */
  readonly opens: readonly string[] | null;
  /** How the run's model may read pages for the call; null where it reads none. */
  readonly reading: ReadingGrant | null;
  /** The span that asked for it, as W3C `traceparent`. */
  readonly traceparent: string;
}

/** Which model may read how many pages, and at most how much of each. */
export interface ReadingGrant extends ReadingLimits {
  /** As requests name it. */
  readonly model: string;
  readonly profile: string;
  readonly pages: number;
}

/** What the record knows of a call. */
export interface CallRecord {
  readonly callId: string;
  readonly state: 'intent' | 'running' | 'done' | 'unknown';
  readonly result: Observation | null;
}

/**
 * Takes a call that was not begun, or whose worker is gone, for a worker whose own lease is alive.
 * @returns null when the call is done, in work, or its run no longer wants it
 */
export async function claimCall(database: Statements, key: CallKey, workerId: string): Promise<CallClaim | null> {
  const { rows } = await database.query<Omit<CallClaim, keyof CallKey> & { sources: StoredPolicy }>(
    `UPDATE argosy.tool_calls c SET state = 'running', attempt = attempt + 1, worker_id = $4, started_at = now()
     WHERE tenant_id = $1 AND run_id = $2 AND call_id = $3
       AND (state = 'intent' OR (state = 'running' AND NOT EXISTS (
         SELECT 1 FROM argosy.workers w WHERE w.worker_id = c.worker_id AND w.lease_until > now())))
       AND EXISTS (SELECT 1 FROM argosy.runs r
         WHERE r.tenant_id = c.tenant_id AND r.run_id = c.run_id AND r.state IN ('queued', 'running')
           AND NOT r.cancel_requested)
       AND EXISTS (SELECT 1 FROM argosy.workers w WHERE w.worker_id = $4 AND w.lease_until > now())
     RETURNING tool, args, attempt, opens,
       (SELECT r.request -> 'sources' FROM argosy.runs r
         WHERE r.tenant_id = c.tenant_id AND r.run_id = c.run_id) AS sources,
       (SELECT (r.request #> '{limits,reading}') || jsonb_build_object('model', r.request -> 'model',
           'profile', r.request -> 'profile', 'pages', c.readings) FROM argosy.runs r
         WHERE r.tenant_id = c.tenant_id AND r.run_id = c.run_id AND c.readings IS NOT NULL) AS reading,
       coalesce(traceparent, (SELECT r.traceparent FROM argosy.runs r
         WHERE r.tenant_id = c.tenant_id AND r.run_id = c.run_id)) AS traceparent`,
    [key.tenantId, key.runId, key.callId, workerId],
  );
  const [row] = rows;
  return row === undefined ? null : { ...key, ...row, sources: upcastPolicy(row.sources) };
}

/**
 * Keeps a call's result. The fence is the call's own attempt, so a change of the agent worker loses nothing.
 * @returns false when a later attempt has taken over
 */
export async function finishCall(
  database: Statements,
  { tenantId, runId, callId, attempt }: CallClaim,
  state: 'done' | 'unknown',
  result: Observation,
): Promise<boolean> {
  const { changed } = await database.query(
    `UPDATE argosy.tool_calls SET state = $5, result = $6::jsonb, ended_at = now()
     WHERE tenant_id = $1 AND run_id = $2 AND call_id = $3 AND attempt = $4 AND state = 'running'`,
    [tenantId, runId, callId, attempt, state, toJsonb(result)],
  );
  return changed === 1;
}

/** Gives a call back unfinished, so that the next ring may begin it. The attempt stays counted. */
export async function releaseCall(database: Statements, claim: CallClaim): Promise<void> {
  await database.query(
    `UPDATE argosy.tool_calls SET state = 'intent', worker_id = NULL
     WHERE tenant_id = $1 AND run_id = $2 AND call_id = $3 AND attempt = $4 AND state = 'running'`,
    [claim.tenantId, claim.runId, claim.callId, claim.attempt],
  );
}

/** The state of some calls of a run, in no order. */
export async function readCalls(
  database: Statements,
  tenantId: string,
  runId: string,
  callIds: readonly string[],
): Promise<CallRecord[]> {
  const { rows } = await database.query<{ call_id: string; state: CallRecord['state']; result: Observation | null }>(
    `SELECT call_id, state, result FROM argosy.tool_calls
     WHERE tenant_id = $1 AND run_id = $2 AND call_id = ANY ($3)`,
    [tenantId, runId, callIds],
  );
  return rows.map((row) => ({ callId: row.call_id, state: row.state, result: row.result }));
}

/** The outcomes of calls in their order; late ones where there is no result yet. `ids` are theirs, place by place. */
export function outcomesOf(
  calls: readonly ToolCall[],
  ids: readonly string[],
  records: readonly CallRecord[],
): ToolOutcome[] {
  const results = new Map(records.map(({ callId, result }) => [callId, result]));
  return calls.map(({ tool, args }, index) => {
    const observation = results.get(ids[index] ?? '') ?? null;
    return observation === null ? lateOutcome({ tool, args }) : { call: { tool, args }, observation };
  });
}

/** A call that is to be rung for. */
export interface DueCall extends CallKey {
  /** Number of this ring; makes its key new. */
  readonly rings: number;
  readonly traceparent?: string;
}

interface DueRow {
  readonly tenant_id: string;
  readonly run_id: string;
  readonly call_id: string;
  readonly rings: number;
  readonly traceparent: string | null;
}

const toDue = (row: DueRow): DueCall => ({
  tenantId: row.tenant_id,
  runId: row.run_id,
  callId: row.call_id,
  rings: row.rings,
  ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
});

/** Counts a ring for each of some unfinished calls of a run; finished ones are left out. The caller rings. */
export async function countRings(
  database: Statements,
  { tenantId, runId }: Pick<CallKey, 'tenantId' | 'runId'>,
  callIds: readonly string[],
): Promise<DueCall[]> {
  const { rows } = await database.query<DueRow>(
    `UPDATE argosy.tool_calls SET rings = rings + 1, rung_at = now()
     WHERE tenant_id = $1 AND run_id = $2 AND call_id = ANY ($3) AND state IN ('intent', 'running')
     RETURNING tenant_id, run_id, call_id, rings, traceparent`,
    [tenantId, runId, callIds],
  );
  return rows.map(toDue);
}

/**
 * Counts a ring for every call that should move and does not: rung long ago and not begun, or begun by a worker whose
 * lease has ended. The caller rings. Safe to run twice at once.
 */
export async function takeStrandedCalls(database: Statements, relookMs: number): Promise<DueCall[]> {
  const { rows } = await database.query<DueRow>(
    `UPDATE argosy.tool_calls c SET rings = rings + 1, rung_at = now()
     WHERE state IN ('intent', 'running')
       AND (rung_at < now() - $1 * interval '1 ms' OR (state = 'running' AND rung_at < started_at))
       AND (state = 'intent' OR NOT EXISTS (
         SELECT 1 FROM argosy.workers w WHERE w.worker_id = c.worker_id AND w.lease_until > now()))
       AND EXISTS (SELECT 1 FROM argosy.runs r
         WHERE r.tenant_id = c.tenant_id AND r.run_id = c.run_id AND r.state IN ('queued', 'running')
           AND NOT r.cancel_requested)
     RETURNING tenant_id, run_id, call_id, rings, traceparent`,
    [relookMs],
  );
  return rows.map(toDue);
}
