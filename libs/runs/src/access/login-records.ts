import type { Statements } from '../store/database.ts';
import type { NewKey } from './key-records.ts';

/** A key that a person is given for having logged in. */
export interface NewLogin extends NewKey {
  /** The subject of their ID token. */
  readonly person: string;
  readonly expiresAt: string;
}

/** Browsers in which a person is logged in at once; who logs in once more leaves the one of longest ago. */
const mostLogins = 20;

/**
 * Writes a login into the record, and removes those of the tenant that are over since yesterday.
 * @returns false where there is no such tenant
 */
export async function insertLogin(database: Statements, login: NewLogin): Promise<boolean> {
  const { tenantId, keyId, mac, name, scopes, expiresAt, person } = login;
  const { rows } = await database.query<{ id: string }>(
    `WITH gone AS (
       DELETE FROM argosy.api_keys
       WHERE tenant_id = $1 AND person IS NOT NULL AND expires_at < now() - interval '1 day'
     ), crowded_out AS (
       UPDATE argosy.api_keys SET revoked_at = now() WHERE tenant_id = $1 AND key_id IN (
         SELECT key_id FROM argosy.api_keys
         WHERE tenant_id = $1 AND person = $7 AND revoked_at IS NULL AND expires_at > now()
         ORDER BY created_at DESC OFFSET ${mostLogins - 1})
     ), made AS (
       INSERT INTO argosy.api_keys (key_id, tenant_id, name, mac, scopes, expires_at, person)
       SELECT $2, tenant_id, $3, $4, $5, $6, $7 FROM argosy.tenants WHERE tenant_id = $1
       RETURNING *
     ), told AS (
       INSERT INTO argosy.audit_log (tenant_id, actor, action, subject, details)
       SELECT tenant_id, person, 'login.begun', key_id, $8 FROM made
     )
     SELECT key_id AS id FROM made`,
    [tenantId, keyId, name, mac, scopes, expiresAt, person, JSON.stringify({ name, scopes, expires_at: expiresAt })],
  );
  return rows.length > 0;
}

/** Ends a login for good. @returns false where the tenant has no login of this id, or it had ended */
export async function endLogin(database: Statements, tenantId: string, keyId: string): Promise<boolean> {
  const { rows } = await database.query<{ id: string }>(
    `WITH ended AS (
       UPDATE argosy.api_keys SET revoked_at = now()
       WHERE tenant_id = $1 AND key_id = $2 AND person IS NOT NULL AND revoked_at IS NULL
       RETURNING *
     ), told AS (
       INSERT INTO argosy.audit_log (tenant_id, actor, action, subject)
       SELECT tenant_id, person, 'login.ended', key_id FROM ended
     )
     SELECT key_id AS id FROM ended`,
    [tenantId, keyId],
  );
  return rows.length > 0;
}
