import type { Statements } from './database.ts';
import type { RunKey } from './sweep.ts';

/** Who has something removed: the key that asks, or `operator`. The tenant's audit log keeps it. */
export interface Removal {
  readonly actor: string;
}

/**
 * Removes a run, whatever its state, and by a trigger all that only it has: steps, events, calls, texts that no other run of
 * the tenant cites, and what was looked up for the tenant while it worked. What it had spent is counted on. Whoever works on
 * it finds no row any more.
 * @returns false where there is no such run
 */
export async function forgetRun(database: Statements, { tenantId, runId, actor }: RunKey & Removal): Promise<boolean> {
  const { changed } = await database.query(
    `WITH gone AS (DELETE FROM argosy.runs WHERE tenant_id = $1 AND run_id = $2 RETURNING run_id)
     INSERT INTO argosy.audit_log (tenant_id, actor, action, subject) SELECT $1, $3, 'run.deleted', run_id FROM gone`,
    [tenantId, runId, actor],
  );
  return changed > 0;
}

/** Runs that one statement removes: each may have thousands of rows. */
const batch = 20;

/**
 * Removes runs that ended longer ago than their tenant keeps them, oldest first. Safe to do anywhere, and twice at once.
 * @returns those that went, at most 20
 */
export async function forgetOldRuns(database: Statements): Promise<RunKey[]> {
  const { rows } = await database.query<RunKey>(
    `WITH old AS MATERIALIZED (
       SELECT r.tenant_id, r.run_id
       FROM argosy.tenants t CROSS JOIN LATERAL (
         SELECT * FROM argosy.runs r WHERE r.tenant_id = t.tenant_id
           AND r.ended_at < now() - (t.settings ->> 'retention_days')::int * interval '1 day'
         ORDER BY r.ended_at LIMIT ${batch} FOR UPDATE SKIP LOCKED
       ) r
       WHERE (t.settings ->> 'retention_days') IS NOT NULL LIMIT ${batch}
     )
     DELETE FROM argosy.runs r USING old WHERE r.tenant_id = old.tenant_id AND r.run_id = old.run_id
     RETURNING r.tenant_id AS "tenantId", r.run_id AS "runId"`,
  );
  return [...rows];
}
