import type { KeyResource } from '#contracts';
import type { Statements } from '../store/database.ts';
import { toJsonb } from '../store/json.ts';

/** A key as the door looks at it. */
export interface KeyRow {
  readonly keyId: string;
  readonly tenantId: string;
  readonly mac: Uint8Array;
  readonly scopes: readonly string[];
  /** Neither revoked nor expired, by the database's clock. */
  readonly live: boolean;
  /** Its use was noted a short while ago. */
  readonly noted: boolean;
  /** What the tenant's settings say of limits. */
  readonly limits: unknown;
}

/** A key to be written. */
export interface NewKey {
  readonly tenantId: string;
  readonly keyId: string;
  readonly mac: Uint8Array;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly expiresAt: string | null;
}

/** Most keys of a tenant that are neither revoked nor expired. */
export const mostKeys = 100;

const iso = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const columns = `key_id AS id, name, scopes, ${iso('created_at')} AS created_at, ${iso('expires_at')} AS expires_at,
  ${iso('revoked_at')} AS revoked_at, ${iso('last_used_at')} AS last_used_at, person`;

const isLive = `revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`;

/** Writes a key and who made it. @returns null when the tenant has as many as it may have */
export async function insertKey(database: Statements, key: NewKey, actor: string): Promise<KeyResource | null> {
  const { tenantId, keyId, mac, name, scopes, expiresAt } = key;
  const { rows } = await database.query<KeyResource>(
    `WITH made AS (
       INSERT INTO argosy.api_keys (key_id, tenant_id, name, mac, scopes, expires_at)
       SELECT $2, $1, $3, $4, $5, $6 WHERE
         (SELECT count(*) FROM argosy.api_keys WHERE tenant_id = $1 AND person IS NULL AND ${isLive}) < ${mostKeys}
       RETURNING *
     ), told AS (
       INSERT INTO argosy.audit_log (tenant_id, actor, action, subject, details)
       SELECT tenant_id, $7, 'key.created', key_id, $8 FROM made
     )
     SELECT ${columns} FROM made`,
    [tenantId, keyId, name, mac, scopes, expiresAt, actor, JSON.stringify({ name, scopes, expires_at: expiresAt })],
  );
  return rows[0] ?? null;
}

/** Newest first; those that are revoked or expired among them, and of logins those that are not. @param before id of the last one of the page before */
export async function listKeys(
  database: Statements,
  tenantId: string,
  before: string | null,
  limit: number,
): Promise<KeyResource[]> {
  const { rows } = await database.query<KeyResource>(
    `SELECT ${columns} FROM argosy.api_keys k WHERE tenant_id = $1 AND (person IS NULL OR (${isLive}))
       AND ($2::text IS NULL OR (created_at, key_id) <
         (SELECT b.created_at, b.key_id FROM argosy.api_keys b WHERE b.tenant_id = $1 AND b.key_id = $2))
     ORDER BY k.created_at DESC, k.key_id DESC LIMIT $3`,
    [tenantId, before, limit],
  );
  return [...rows];
}

/** Ends a key for good; one that is revoked stays so since when it was. @returns null when the tenant has none of this id */
export async function revokeKey(
  database: Statements,
  tenantId: string,
  keyId: string,
  actor: string,
): Promise<KeyResource | null> {
  const { rows } = await database.query<KeyResource>(
    `WITH revoked AS (
       UPDATE argosy.api_keys SET revoked_at = now() WHERE tenant_id = $1 AND key_id = $2 AND revoked_at IS NULL
       RETURNING *
     ), told AS (
       INSERT INTO argosy.audit_log (tenant_id, actor, action, subject)
       SELECT tenant_id, $3, 'key.revoked', key_id FROM revoked
     )
     SELECT ${columns} FROM revoked
     UNION ALL SELECT ${columns} FROM argosy.api_keys
     WHERE tenant_id = $1 AND key_id = $2 AND revoked_at IS NOT NULL`,
    [tenantId, keyId, actor],
  );
  return rows[0] ?? null;
}

/** Ids of a tenant's live keys of this name. */
export async function keysNamed(database: Statements, tenantId: string, name: string): Promise<string[]> {
  const { rows } = await database.query<{ id: string }>(
    `SELECT key_id AS id FROM argosy.api_keys WHERE tenant_id = $1 AND name = $2 AND person IS NULL AND ${isLive}`,
    [tenantId, name],
  );
  return rows.map(({ id }) => id);
}

/** Keys by their ids, whosesoever they are; unknown ids are left out. `database` names no tenant. */
export async function findKeys(database: Statements, ids: readonly string[]): Promise<KeyRow[]> {
  const { rows } = await database.query<KeyRow>(
    `SELECT key_id AS "keyId", tenant_id AS "tenantId", mac, scopes, live, noted, limits FROM argosy.find_keys($1)`,
    [ids],
  );
  return [...rows];
}

/** Notes that a key was used. */
export async function noteUse(database: Statements, { tenantId, keyId }: KeyRow): Promise<void> {
  await database.query(`UPDATE argosy.api_keys SET last_used_at = now() WHERE tenant_id = $1 AND key_id = $2`, [
    tenantId,
    keyId,
  ]);
}

/** Makes a tenant that is not there yet. */
export async function ensureTenant(database: Statements, tenantId: string): Promise<void> {
  await database.query(
    `INSERT INTO argosy.tenants (tenant_id, name, settings) VALUES ($1, $1, $2::jsonb) ON CONFLICT DO NOTHING`,
    [tenantId, toJsonb({})],
  );
}
