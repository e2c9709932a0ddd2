import type { Statements } from './database.ts';

/** Asks for a run's end. Needs no epoch: its owner reads the flag with each commit. @returns false for one that has ended */
export async function flagCancel(database: Statements, tenantId: string, runId: string): Promise<boolean> {
  const { changed } = await database.query(
    `UPDATE argosy.runs SET cancel_requested = true
     WHERE tenant_id = $1 AND run_id = $2 AND state IN ('queued', 'running', 'waiting')`,
    [tenantId, runId],
  );
  return changed > 0;
}

/** Whether a run's end was asked for; of one that was removed, it was. */
export async function isCancelFlagged(database: Statements, tenantId: string, runId: string): Promise<boolean> {
  const { rows } = await database.query<{ cancel_requested: boolean }>(
    'SELECT cancel_requested FROM argosy.runs WHERE tenant_id = $1 AND run_id = $2',
    [tenantId, runId],
  );
  return rows[0]?.cancel_requested ?? true;
}
