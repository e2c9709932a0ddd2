import { type Observation, type ResearchEvent, type ResearchRequest, type StoredRequest, upcastRequest } from '#domain';
import type { Statements } from './database.ts';
import { fromPayload, type StepPayload } from './log.ts';

/** Everything that a run is the replay of. */
export interface History {
  readonly request: ResearchRequest;
  /** Committed events, oldest first. */
  readonly events: readonly ResearchEvent[];
}

/** The history of a run as it stands, or null where there is no such run. @throws LogUnreadable */
export async function readHistory(database: Statements, tenantId: string, runId: string): Promise<History | null> {
  const { rows } = await database.query<{ request: StoredRequest }>(
    'SELECT request FROM argosy.runs WHERE tenant_id = $1 AND run_id = $2',
    [tenantId, runId],
  );
  if (rows[0] === undefined) return null;
  return { request: upcastRequest(rows[0].request), events: await readLog(database, tenantId, runId) };
}

/** Committed events of a run, oldest first, with the results of their tool calls. @throws LogUnreadable */
export async function readLog(database: Statements, tenantId: string, runId: string): Promise<ResearchEvent[]> {
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
