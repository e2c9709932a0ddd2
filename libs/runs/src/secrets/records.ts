import type { SecretResource } from '#contracts';
import type { Statements } from '../store/database.ts';
import type { SealedSecret, SecretPlace } from './sealing.ts';

/** A sealed secret with which setting of it it is. */
export type SecretRow = SealedSecret & Pick<SecretPlace, 'version'>;

const iso = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const columns = `name, version AS fingerprint, ${iso('created_at')} AS created_at, ${iso('updated_at')} AS updated_at,
  ${iso('last_used_at')} AS last_used_at`;

/** Writes a secret, in place of the one of that name, and who did. */
export async function putSecret(
  door: Statements,
  { tenantId, name, version }: SecretPlace,
  { keyId, wrapped, sealed }: SealedSecret,
  actor: string,
): Promise<SecretResource | null> {
  // What was excluded is not named: to read it, the door would have to be allowed to read what is sealed.
  const { rows } = await door.query<SecretResource>(
    `WITH kept AS (
       INSERT INTO argosy.tenant_secrets (tenant_id, name, version, key_id, wrapped, sealed)
       VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (tenant_id, name) DO UPDATE
         SET version = $3, key_id = $4, wrapped = $5, sealed = $6, updated_at = now(), last_used_at = NULL
       RETURNING name, version, created_at, updated_at, last_used_at
     ), told AS (
       INSERT INTO argosy.audit_log (tenant_id, actor, action, subject, details)
       SELECT $1, $7, 'secret.set', name, $8 FROM kept
     )
     SELECT ${columns} FROM kept`,
    [tenantId, name, version, keyId, wrapped, sealed, actor, JSON.stringify({ fingerprint: version })],
  );
  return rows[0] ?? null;
}

/** By their names. */
export async function listSecrets(door: Statements, tenantId: string): Promise<SecretResource[]> {
  const sql = `SELECT ${columns} FROM argosy.tenant_secrets WHERE tenant_id = $1 ORDER BY name`;
  return [...(await door.query<SecretResource>(sql, [tenantId])).rows];
}

/** @returns whether there was one */
export async function deleteSecret(door: Statements, tenantId: string, name: string, actor: string): Promise<boolean> {
  const { rows } = await door.query(
    `WITH gone AS (
       DELETE FROM argosy.tenant_secrets WHERE tenant_id = $1 AND name = $2 RETURNING name
     ), told AS (
       INSERT INTO argosy.audit_log (tenant_id, actor, action, subject)
       SELECT $1, $3, 'secret.deleted', name FROM gone
     )
     SELECT name FROM gone`,
    [tenantId, name, actor],
  );
  return rows.length > 0;
}

/** A secret that is about to be used, which is noted. @param door the fleet's, of this tenant */
export async function takeSecret(door: Statements, tenantId: string, name: string): Promise<SecretRow | null> {
  const { rows } = await door.query<SecretRow>(
    `WITH noted AS (
       UPDATE argosy.tenant_secrets SET last_used_at = now() WHERE tenant_id = $1 AND name = $2
         AND (last_used_at IS NULL OR last_used_at < now() - interval '10 minutes')
     )
     SELECT version, key_id AS "keyId", wrapped, sealed FROM argosy.tenant_secrets WHERE tenant_id = $1 AND name = $2`,
    [tenantId, name],
  );
  return rows[0] ?? null;
}

/** Puts a secret as it was sealed anew in the place of what was read, unless somebody has set or sealed it meanwhile. */
export async function replaceSealed(
  door: Statements,
  { tenantId, name, version }: SecretPlace,
  before: SealedSecret,
  { keyId, wrapped, sealed }: SealedSecret,
): Promise<void> {
  await door.query(
    `UPDATE argosy.tenant_secrets SET key_id = $5, wrapped = $6, sealed = $7
     WHERE tenant_id = $1 AND name = $2 AND version = $3 AND key_id = $4`,
    [tenantId, name, version, before.keyId, keyId, wrapped, sealed],
  );
}
