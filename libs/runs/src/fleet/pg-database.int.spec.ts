import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { InvalidState, Unavailable } from '#errors';
import {
  canOwnServers,
  type FreshDatabase,
  freshDatabase,
  ownPostgres,
  type PrivateServer,
} from '../../../../test/support/servers.ts';
import { PgDatabase } from './pg-database.ts';

describe('a PostgreSQL database', () => {
  let fresh: FreshDatabase;
  let database: PgDatabase;
  beforeAll(async () => {
    fresh = await freshDatabase();
    database = await PgDatabase.open(fresh.url, { connections: 3 });
    await database.script('CREATE TABLE t (n integer PRIMARY KEY, big bigint)');
  });
  afterAll(async () => {
    await database.close();
    await fresh.drop();
  });
  const numbers = async () =>
    (await database.query<{ n: number }>('SELECT n FROM t ORDER BY n')).rows.map(({ n }) => n);

  it('gives bigint as a number and counts what was changed, not what was read', async () => {
    expect(await database.query('INSERT INTO t VALUES (1, 12345678901)')).toEqual({ rows: [], changed: 1 });
    expect(await database.query('SELECT big FROM t')).toEqual({ rows: [{ big: 12345678901 }], changed: 0 });
    expect(await database.query('WITH x AS (SELECT 1) UPDATE t SET big = 2 RETURNING n')).toEqual({
      rows: [{ n: 1 }],
      changed: 1,
    });
    expect((await database.query('DELETE FROM t')).changed).toBe(1);
  });

  it('keeps all of a transaction, or nothing when it throws', async () => {
    await database.transaction(async (query) => {
      await query('INSERT INTO t VALUES ($1)', [1]);
      await query('INSERT INTO t VALUES ($1)', [2]);
    });
    const failing = database.transaction(async (query) => {
      await query('INSERT INTO t VALUES (3)');
      throw new Error('this work fails on purpose');
    });
    await expect(failing).rejects.toThrow('on purpose');
    expect(await numbers()).toEqual([1, 2]);
    await database.query('DELETE FROM t');
  });

  it('does not pass over a failed statement that a transaction took no notice of', async () => {
    const careless = database.transaction(async (query) => {
      await query('INSERT INTO t VALUES (1)');
      await query('SELECT no_such_column').catch(() => undefined);
    });
    await expect(careless).rejects.toThrow(/rolled back/);
    expect(await numbers()).toEqual([]);
  });

  it('leaves no transaction open after a script that failed inside one', async () => {
    for (let i = 0; i < 5; i++) {
      await expect(database.script('BEGIN; INSERT INTO t VALUES (9); SELECT no_such_column; COMMIT;')).rejects.toThrow(
        /no_such_column/,
      );
    }
    expect(await numbers()).toEqual([]);
    await database.query('INSERT INTO t VALUES (1)');
    const other = await PgDatabase.open(fresh.url);
    expect((await other.query('SELECT n FROM t')).rows).toEqual([{ n: 1 }]);
    await other.close();
    await database.query('DELETE FROM t');
  });

  it('outlives idle connections that break, and uses none of them', async () => {
    await Promise.all([numbers(), numbers(), numbers()]);
    const other = await PgDatabase.open(fresh.url, { connections: 1 });
    const sql = `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`;
    expect((await other.query(sql)).rows.length).toBeGreaterThan(0);
    await other.close();
    // Told of the ends by then: they were sent before the answer above.
    await new Promise((resolve) => setImmediate(resolve));
    expect(await Promise.all([numbers(), numbers(), numbers()])).toEqual([[], [], []]);
  });

  it('says Unavailable of a statement that was under way when its connection broke', async () => {
    const killed = database.query('SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(5)');
    await expect(killed).rejects.toThrow(Unavailable);
    await expect(killed).rejects.toThrow(/whether it was carried out is not known/);
    expect(await numbers()).toEqual([]);
  });

  it('gives up a statement that takes too long', async () => {
    const impatient = await PgDatabase.open(fresh.url, { statementMs: 1_000, connections: 2 });
    await expect(impatient.query('SELECT pg_sleep(20)')).rejects.toThrow(Unavailable);
    expect((await impatient.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await impatient.close();
  });

  it('does work alone that others do under the same number', async () => {
    const others = await Promise.all([1, 2, 3].map(() => PgDatabase.open(fresh.url, { connections: 2 })));
    let inside = 0;
    const most = await Promise.all(
      others.map((other) =>
        other.alone(7, 10_000, async () => {
          inside += 1;
          const seen = inside;
          await other.query('SELECT pg_sleep(0.05)');
          inside -= 1;
          return seen;
        }),
      ),
    );
    expect(most).toEqual([1, 1, 1]);
    const held = database.alone(
      7,
      1,
      async () => await expect(others[0]?.alone(7, 1, async () => 0)).rejects.toThrow(/no result within 1 ms/),
    );
    await held;
    await Promise.all(others.map((other) => other.close()));
  });

  it.each([
    ['a wrong password', (url: URL) => Object.assign(url, { password: 'wrong' })],
    ['a database that is not there', (url: URL) => Object.assign(url, { pathname: '/nothing' })],
  ])('does not wait for %s to mend itself', async (_what, spoil) => {
    const url = spoil(new URL(fresh.url)).href;
    const startedAt = performance.now();
    await expect(PgDatabase.open(url)).rejects.toThrow(/cannot be used: .*ARGOSY_DATABASE_URL/);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  it('refuses whoever comes after its end', async () => {
    const closed = await PgDatabase.open(fresh.url);
    await closed.close();
    await closed.close();
    await expect(closed.query('SELECT 1')).rejects.toThrow(InvalidState);
  });
});

const describeOwn = canOwnServers ? describe : describe.skip;

describeOwn('a database whose server restarts (needs servers that may be killed)', () => {
  let server: PrivateServer;
  beforeAll(async () => {
    server = await ownPostgres();
  });
  afterAll(async () => {
    await server.stop();
  });

  /** Ends the server under a statement. One connection: a second might not have noticed yet, and carry the next one. */
  async function cut(database: PgDatabase, end: 'kill' | 'shutDown'): Promise<void> {
    await database.query('SELECT 1');
    const underWay = expect(database.query('SELECT pg_sleep(30)')).rejects.toThrow(Unavailable);
    await server[end]();
    await underWay;
  }

  it.each(['kill', 'shutDown'] as const)('works again by itself after %s, with all that was committed', async (end) => {
    const database = await PgDatabase.open(server.url, { connections: 1 });
    await database.script('DROP TABLE IF EXISTS t; CREATE TABLE t (n integer PRIMARY KEY)');
    await database.query('INSERT INTO t VALUES (1)');
    await cut(database, end);
    const meanwhile = Array.from({ length: 20 }, (_, i) => database.query('INSERT INTO t VALUES ($1)', [i + 2]));
    await server.start();
    await Promise.all(meanwhile);
    expect((await database.query('SELECT count(*) AS n FROM t')).rows).toEqual([{ n: 21 }]);
    await database.close();
  });

  it('says what to do when it stays away', async () => {
    const impatient = await PgDatabase.open(server.url, { connections: 1, connectMs: 300 });
    await cut(impatient, 'kill');
    const hopeless = impatient.query('SELECT 1');
    await expect(hopeless).rejects.toThrow(Unavailable);
    await expect(hopeless).rejects.toThrow(/127\.0\.0\.1:\d+\/postgres cannot be used.*Start it/);
    await impatient.close();
    await server.start();
  });
});
