import { S3Store } from '../objects/s3.ts';
import { type ObjectSettings, withAuthorities } from '../objects/settings.ts';
import { schemaVersions } from '../store/migrate.ts';
import { PgDatabase } from './pg-database.ts';
import { type RedisFacts, RedisServer } from './redis.ts';

/** What a database says of itself. */
export interface PostgresFacts {
  /** Its release. */
  readonly version: string;
  /** Of our schema; 0 where it has none yet. */
  readonly schema: number;
  /** What this release brings it to. */
  readonly known: number;
  /** Its clock before ours, in ms; negative: behind. To within half of the time that the question took. */
  readonly aheadMs: number;
  /** Roles that rows are guarded by and that are not there yet. */
  readonly missingRoles: readonly string[];
}

/**
 * Looks at a database and changes nothing. @param nowMs the clock to compare its own with
 * @throws Unavailable, PostgresTooOld, InvalidInput
 */
export async function inspectPostgres(url: string, limitMs: number, nowMs: () => number): Promise<PostgresFacts> {
  const database = await PgDatabase.open(url, { connections: 2, connectMs: limitMs, statementMs: limitMs });
  try {
    const before = nowMs();
    const { rows } = await database.query<ClockRow>(
      `SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS at, current_setting('server_version') AS version,
         ARRAY(SELECT r FROM unnest(ARRAY['argosy_gateway', 'argosy_fleet']) AS r
           WHERE NOT EXISTS (SELECT 1 FROM pg_roles p WHERE p.rolname = r)) AS missing`,
    );
    const [row] = rows;
    if (row === undefined) throw new Error('A SELECT without FROM has one row.');
    const aheadMs = Math.round(row.at - (before + nowMs()) / 2);
    const { found, known } = await schemaVersions(database);
    return { version: row.version, schema: found, known, aheadMs, missingRoles: row.missing };
  } finally {
    await database.close();
  }
}

interface ClockRow {
  readonly at: number;
  readonly version: string;
  readonly missing: readonly string[];
}

/** Looks at a Redis and changes nothing. @throws Unavailable, InvalidInput */
export async function inspectRedis(url: string, limitMs: number): Promise<RedisFacts> {
  const server = new RedisServer(url);
  try {
    return await server.facts(limitMs);
  } finally {
    server.close();
  }
}

/** Writes, reads and removes a small object. @throws Unavailable, with what to mend; InvalidInput */
export async function inspectObjects(settings: ObjectSettings, limitMs: number): Promise<void> {
  const store = new S3Store(await withAuthorities(settings), { callMs: Math.ceil(limitMs / 3) });
  try {
    await store.check();
  } finally {
    store.close();
  }
}
