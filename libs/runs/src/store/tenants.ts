import type { Statements } from './database.ts';
import { toJsonb } from './json.ts';

export interface TenantRow {
  readonly tenantId: string;
  readonly name: string;
  readonly settings: unknown;
  /** ISO 8601. */
  readonly createdAt: string;
}

const columns = `tenant_id AS "tenantId", name, settings,
  to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "createdAt"`;

/** @returns null where there is one of that id */
export async function addTenant(
  database: Statements,
  tenantId: string,
  name: string,
  settings: unknown,
): Promise<TenantRow | null> {
  const { rows } = await database.query<TenantRow>(
    `INSERT INTO argosy.tenants (tenant_id, name, settings) VALUES ($1, $2, $3::jsonb)
     ON CONFLICT DO NOTHING RETURNING ${columns}`,
    [tenantId, name, toJsonb(settings)],
  );
  return rows[0] ?? null;
}

export async function findTenant(database: Statements, tenantId: string): Promise<TenantRow | null> {
  const sql = `SELECT ${columns} FROM argosy.tenants WHERE tenant_id = $1`;
  return (await database.query<TenantRow>(sql, [tenantId])).rows[0] ?? null;
}

/** Into the tenant's audit log, too. @returns null where there is none */
export async function changeTenant(
  database: Statements,
  tenantId: string,
  settings: unknown,
): Promise<TenantRow | null> {
  const { rows } = await database.query<TenantRow>(
    `WITH changed AS (
       UPDATE argosy.tenants SET settings = $2::text::jsonb WHERE tenant_id = $1 RETURNING ${columns}
     ), told AS (
       INSERT INTO argosy.audit_log (tenant_id, actor, action, subject, details)
       SELECT $1, 'operator', 'tenant.changed', $1, $2::text FROM changed
     )
     SELECT * FROM changed`,
    [tenantId, toJsonb(settings)],
  );
  return rows[0] ?? null;
}
