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
  const scripts = (await readdir(folder)).filter((name) => /^\d{4}_.*\.sql$/.test(name)).sort();
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

async function currentVersion(database: Database): Promise<number> {
  const { rows } = await database.query<{ version: number }>(
    'SELECT coalesce(max(version), 0)::int AS version FROM argosy.migrations',
  );
  return rows[0]?.version ?? 0;
}
