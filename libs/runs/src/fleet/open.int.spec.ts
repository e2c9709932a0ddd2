import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Unavailable } from '#errors';
import { opened } from '../../../../test/support/migrating-process.ts';
import { type FreshDatabase, freshDatabase, sharedRedisUrl } from '../../../../test/support/servers.ts';
import { SchemaBehind, SchemaTooNew } from '../store/migrate.ts';
import { renewLease } from '../store/workers.ts';
import { inspectPostgres, inspectRedis } from './inspect.ts';
import { awaitSchema, migrateFleet, migrateOnce, openFleet } from './open.ts';
import { PgDatabase } from './pg-database.ts';

const root = join(import.meta.dirname, '../../../..');
const script = join(root, 'test/support/migrating-process.ts');

let fresh: FreshDatabase;
beforeAll(async () => {
  fresh = await freshDatabase();
});
afterAll(async () => {
  await fresh.drop();
});

async function startProcess(): Promise<string> {
  const args = ['--conditions=source', '--no-warnings', script, fresh.url, sharedRedisUrl()];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, timeout: 60_000 });
  return stdout;
}

describe('a look at the stores', () => {
  it('finds a new database as it is, and changes nothing of it', async () => {
    const look = async () => await inspectPostgres(fresh.url, 10_000, () => Date.now());
    const facts = await look();
    expect(facts).toMatchObject({ schema: 0, version: expect.stringMatching(/^\d+/) });
    expect(facts.known).toBeGreaterThan(15);
    // One clock, read twice by the same machine.
    expect(Math.abs(facts.aheadMs)).toBeLessThan(10_000);
    expect(await inspectPostgres(fresh.url, 10_000, () => Date.now() - 3_600_000)).toMatchObject({
      schema: 0,
      aheadMs: expect.closeTo(3_600_000, -5),
    });
  });

  it('tells of a Redis its release and its policy', async () => {
    expect(await inspectRedis(sharedRedisUrl(), 10_000)).toEqual({
      ...{ version: expect.stringMatching(/^\d+\./), policy: 'noeviction', keepsLog: true, evicts: null },
    });
  });
});

describe('opening a fleet', () => {
  it('by eight processes at once brings a new database up to date, once', async () => {
    const said = await Promise.all(Array.from({ length: 8 }, startProcess));
    expect(said).toEqual(Array.from({ length: 8 }, () => opened));
    const database = await PgDatabase.open(fresh.url);
    const { rows } = await database.query<{ version: number }>(
      'SELECT version FROM argosy.migrations ORDER BY version',
    );
    const version = await migrateOnce(database);
    await database.close();
    expect(rows.map((row) => row.version)).toEqual(Array.from({ length: version }, (_, i) => i + 1));
    const facts = await inspectPostgres(fresh.url, 10_000, () => Date.now());
    expect(facts).toMatchObject({ schema: version, known: version, missingRoles: [] });
  }, 90_000);

  it('by a process that does not migrate waits for one that does, and says what it waits for', async () => {
    const empty = await freshDatabase();
    const stores = { databaseUrl: empty.url, redisUrl: sharedRedisUrl(), migrates: false };
    try {
      const database = await PgDatabase.open(empty.url);
      const waiting = awaitSchema(database, 300);
      await expect(waiting).rejects.toThrow(SchemaBehind);
      await expect(waiting).rejects.toThrow(/is at schema 0 and this release needs \d+\. Run `argosy migrate`/);
      const meanwhile = openFleet(stores);
      const { from, to } = await migrateFleet(empty.url);
      await (await meanwhile).close();
      expect(from).toBe(0);
      expect(await migrateFleet(empty.url)).toEqual({ from: to, to });
      await database.query('INSERT INTO argosy.migrations (version) VALUES ($1)', [to + 1]);
      await database.close();
      await expect(openFleet(stores)).rejects.toThrow(SchemaTooNew);
    } finally {
      await empty.drop();
    }
  }, 60_000);

  it('ends no lease of another process, and leaves no statement of its own behind', async () => {
    const database = await PgDatabase.open(fresh.url);
    await migrateOnce(database);
    await renewLease(database, { workerId: 'neighbour', role: 'agent-worker', slots: 1 }, 600_000);
    const { close } = await openFleet({ databaseUrl: fresh.url, redisUrl: sharedRedisUrl() });
    await close();
    const { rows } = await database.query('SELECT worker_id FROM argosy.workers WHERE lease_until > now()');
    await database.close();
    expect(rows).toEqual([{ worker_id: 'neighbour' }]);
  });

  it('says which store cannot be used, and what to do', async () => {
    const databaseUrl = fresh.url.replace(/\/[^/]*$/, '/no_such_database');
    const opening = openFleet({ databaseUrl, redisUrl: sharedRedisUrl() });
    await expect(opening).rejects.toThrow(Unavailable);
    await expect(opening).rejects.toThrow(/no_such_database.*ARGOSY_DATABASE_URL/);
    await expect(opening).rejects.not.toThrow(new URL(databaseUrl).password);
  });

  it.each([
    ['ARGOSY_DATABASE_URL', { databaseUrl: 'localhost:5432', redisUrl: 'redis://localhost' }],
    ['ARGOSY_REDIS_URL', { databaseUrl: 'postgres://localhost/argosy', redisUrl: 'http://localhost' }],
  ])('refuses an address of %s that is none', async (variable, stores) => {
    await expect(openFleet(stores)).rejects.toThrow(new RegExp(`${variable}: is not an address`));
  });
});
