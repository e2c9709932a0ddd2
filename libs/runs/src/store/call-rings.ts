import { isToolKind, type ToolKind, toolKinds } from '#domain';
import type { CallBell } from '../doorbell/doorbell.ts';
import type { Statements } from './database.ts';

/** Names a tool call. */
export interface CallKey {
  readonly tenantId: string;
  readonly runId: string;
  readonly callId: string;
}

/** A call that is to be rung for. */
export interface DueCall extends CallKey {
  readonly bell: CallBell;
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
  readonly kind: string;
  readonly anyone: boolean;
}

/** Of a call `c`: the kind of workers that it is for, or the name of a tool that no release knows. */
export const kindOfCall = 'coalesce(c.handed_to, c.tool)';

/** Of a call `c`: somebody still wants its result. */
export const isWanted = `EXISTS (SELECT 1 FROM argosy.runs r
  WHERE r.tenant_id = c.tenant_id AND r.run_id = c.run_id AND r.state IN ('queued', 'running') AND NOT r.cancel_requested)`;

/** As SQL: every kind there is. */
const everyKind = `ARRAY[${toolKinds.map((kind) => `'${kind}'`).join(', ')}]`;

/** Of a call `c` and a living worker `w`: that worker may take it. What is of no kind anybody takes, and says so. */
export const takes = `(w.kinds IS NULL OR ${kindOfCall} = ANY (w.kinds) OR NOT ${kindOfCall} = ANY (${everyKind}))`;

const living = `FROM argosy.workers w WHERE w.lease_until > now()`;

/**
 * `anyone`: no living worker takes this kind by name, and one takes any kind without saying so, as those of the release
 * before kinds do, which hear one bell alone; or nobody says anything.
 */
const returned = `tenant_id, run_id, call_id, rings, traceparent, ${kindOfCall} AS kind,
  NOT EXISTS (SELECT 1 ${living} AND ${kindOfCall} = ANY (w.kinds))
    AND (EXISTS (SELECT 1 ${living} AND w.role = 'tool-worker' AND w.kinds IS NULL)
      OR NOT EXISTS (SELECT 1 ${living} AND w.kinds IS NOT NULL)) AS anyone`;

const toDue = (row: DueRow): DueCall => ({
  tenantId: row.tenant_id,
  runId: row.run_id,
  callId: row.call_id,
  bell: row.anyone || !isToolKind(row.kind) ? 'calls' : `calls-${row.kind}`,
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
    `UPDATE argosy.tool_calls c SET rings = rings + 1, rung_at = now()
     WHERE tenant_id = $1 AND run_id = $2 AND call_id = ANY ($3) AND state IN ('intent', 'running')
     RETURNING ${returned}`,
    [tenantId, runId, callIds],
  );
  return rows.map(toDue);
}

/**
 * Counts a ring for a call that waits and that a worker, having heard of it, does not take: those of the release before
 * kinds ring one bell for all. The caller rings.
 */
export async function countMisheard(database: Statements, key: CallKey, workerId: string): Promise<DueCall[]> {
  const { rows } = await database.query<DueRow>(
    `UPDATE argosy.tool_calls c SET rings = rings + 1, rung_at = now()
     WHERE tenant_id = $1 AND run_id = $2 AND call_id = $3 AND state = 'intent' AND ${isWanted}
       AND EXISTS (SELECT 1 FROM argosy.workers w WHERE w.worker_id = $4 AND NOT ${takes})
     RETURNING ${returned}`,
    [key.tenantId, key.runId, key.callId, workerId],
  );
  return rows.map(toDue);
}

/**
 * Gives a call, of which nothing was done, to workers of another kind.
 * @param claim its attempt is the fence
 * @returns the ring that it needs, if it still was the claim's
 */
export async function handOver(
  database: Statements,
  claim: CallKey & { readonly attempt: number },
  kind: ToolKind,
): Promise<DueCall[]> {
  const { rows } = await database.query<DueRow>(
    `UPDATE argosy.tool_calls c SET state = 'intent', worker_id = NULL, handed_to = $5, rings = rings + 1, rung_at = now()
     WHERE tenant_id = $1 AND run_id = $2 AND call_id = $3 AND attempt = $4 AND state = 'running'
     RETURNING ${returned}`,
    [claim.tenantId, claim.runId, claim.callId, claim.attempt, kind],
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
       AND ${isWanted}
     RETURNING ${returned}`,
    [relookMs],
  );
  return rows.map(toDue);
}
