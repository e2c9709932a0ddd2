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
import { type CallKey, isWanted, takes } from './call-rings.ts';
import type { Statements } from './database.ts';
import { toJsonb } from './json.ts';

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
 * @returns null when the call is done, in work, of a kind that the worker does not take, or its run no longer wants it
 */
export async function claimCall(database: Statements, key: CallKey, workerId: string): Promise<CallClaim | null> {
  const { rows } = await database.query<Omit<CallClaim, keyof CallKey> & { sources: StoredPolicy }>(
    `UPDATE argosy.tool_calls c SET state = 'running', attempt = attempt + 1, worker_id = $4, started_at = now()
     WHERE tenant_id = $1 AND run_id = $2 AND call_id = $3
       AND (state = 'intent' OR (state = 'running' AND NOT EXISTS (
         SELECT 1 FROM argosy.workers w WHERE w.worker_id = c.worker_id AND w.lease_until > now())))
       AND ${isWanted}
       AND EXISTS (SELECT 1 FROM argosy.workers w WHERE w.worker_id = $4 AND w.lease_until > now() AND ${takes})
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
