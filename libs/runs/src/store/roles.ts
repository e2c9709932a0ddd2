import { ArgosyError } from '#errors';
import type { Database, Role } from './database.ts';

/**
 * Becomes a role, and names a tenant, until the end of the transaction. Parameters: role; tenant, empty for none. Nothing
 * of it outlives the transaction, so connections may be shared, by a pooler, too.
 */
export const becomeSql = `SELECT set_config('role', $1, true), set_config('argosy.tenant', $2, true)`;

/** The roles are not there, and who connects may not make them. */
class RolesMissing extends ArgosyError {
  override readonly name = 'RolesMissing';
  readonly code = 'roles_missing';
  readonly retryable = false;
}

/**
 * Sees to it that both roles are there and may be taken on by who connects. They belong to the whole server, so another
 * database on it may have them already. Safe to do twice at once.
 * @throws RolesMissing
 */
export async function ensureRoles(database: Database): Promise<void> {
  for (const role of ['argosy_gateway', 'argosy_fleet'] as const) await ensureRole(database, role);
}

async function ensureRole(database: Database, role: Role): Promise<void> {
  const found = await lookAt(database, role);
  if (found.usable) return;
  try {
    if (!found.exists) await database.script(createSql(role));
    if (!(await lookAt(database, role)).usable) await database.script(`GRANT ${role} TO CURRENT_USER`);
  } catch (cause) {
    const { login } = found;
    const statements = (['argosy_gateway', 'argosy_fleet'] as const)
      .map((name) => `CREATE ROLE ${name} NOLOGIN NOBYPASSRLS ROLE ${login};`)
      .join(' ');
    const message = `The database user ${login} may not make the role ${role}. An administrator must run, once: ${statements} (for a role that exists: GRANT ${role} TO ${login};)`;
    throw new RolesMissing(message, { cause });
  }
}

/** Two that make it at once both find it made. */
function createSql(role: Role): string {
  return `DO $$ BEGIN CREATE ROLE ${role} NOLOGIN NOBYPASSRLS;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`;
}

interface Found {
  /** Who connects, quoted where needed. */
  readonly login: string;
  readonly exists: boolean;
  readonly usable: boolean;
}

async function lookAt(database: Database, role: Role): Promise<Found> {
  // From PostgreSQL 16 on, a member may be one that cannot take the role on.
  const { rows } = await database.query<Found>(
    `SELECT quote_ident(session_user) AS login, r.oid IS NOT NULL AS exists,
       coalesce(pg_has_role(session_user, r.oid,
         CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END), false) AS usable
     FROM (SELECT 1) one LEFT JOIN pg_roles r ON r.rolname = $1`,
    [role],
  );
  return rows[0] ?? { login: 'argosy', exists: false, usable: false };
}
