import { readdir, readFile } from 'node:fs/promises';
import { ArgosyError } from '#errors';
import type { Database } from './database.ts';
import { ensureRoles } from './roles.ts';

/** Numbered SQL scripts; the build copies them beside the compiled files. */
const folder = new URL('../../migrations/', import.meta.url);

/** The database was written by a newer release than this one. */
export class SchemaTooNew extends ArgosyError {
  override readonly name = 'SchemaTooNew';
  readonly code = 'schema_too_new';
  readonly retryable = false;
  constructor(found: number, known: number) {
    super(
      `The database is at schema ${found} but this release knows ${known}. Start the newer release, or another data directory.`,
    );
  }
}

/** Nobody has brought the schema up to date yet, and this process is not to. */
export class SchemaBehind extends ArgosyError {
  override readonly name = 'SchemaBehind';
  readonly code = 'schema_behind';
  readonly retryable = true;
  constructor(found: number, known: number) {
    super(
      `The database is at schema ${found} and this release needs ${known}. Run \`argosy migrate\` (in Kubernetes the Job whose name has -migrate-; look at its log), or leave ARGOSY_MIGRATE out.`,
    );
  }
}

/** What the database has, 0 without anything, and what this release brings. */
export async function schemaVersions(database: Database): Promise<{ readonly found: number; readonly known: number }> {
  const { rows } = await database.query<{ there: boolean }>(
    `SELECT to_regclass('argosy.migrations') IS NOT NULL AS there`,
  );
  const found = rows[0]?.there === true ? await currentVersion(database) : 0;
  return { found, known: (await scriptNames()).length };
}

/**
 * Brings the schema up to date, each script in a transaction of its own together with its ledger row.
 * @returns the version now in force
 * @throws SchemaTooNew when the database is ahead of this release; RolesMissing
 */
export async function migrate(database: Database): Promise<number> {
  await database.script(`
    CREATE SCHEMA IF NOT EXISTS argosy;
    CREATE TABLE IF NOT EXISTS argosy.migrations (version integer PRIMARY KEY, applied_at timestamptz DEFAULT now());
  `);
  const scripts = await scriptNames();
  const known = scripts.length;
  const found = await currentVersion(database);
  if (found > known) throw new SchemaTooNew(found, known);
  await ensureRoles(database);
  for (const [index, name] of scripts.entries()) {
    const version = index + 1;
    if (version <= found) continue;
    const sql = await readFile(new URL(name, folder), 'utf8');
    await database.script(`BEGIN; ${sql}; INSERT INTO argosy.migrations (version) VALUES (${version}); COMMIT;`);
  }
  return known;
}

async function scriptNames(): Promise<string[]> {
  return (await readdir(folder)).filter((name) => /^\d{4}_.*\.sql$/.test(name)).sort();
}

async function currentVersion(database: Database): Promise<number> {
  const { rows } = await database.query<{ version: number }>(
    'SELECT coalesce(max(version), 0)::int AS version FROM argosy.migrations',
  );
  return rows[0]?.version ?? 0;
}
