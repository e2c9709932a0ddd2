import { once } from 'node:events';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { useStore } from '../../../../test/support/embedded.ts';
import { PgliteDatabase } from './pglite-database.ts';
import { PglitePool } from './pglite-pool.ts';

const database = useStore((folder) => PgliteDatabase.open(join(folder, 'postgres')));
type Client = Awaited<ReturnType<PglitePool['connect']>>;

let pool: PglitePool;
const clients: Client[] = [];

async function connect(): Promise<Client> {
  const client = await pool.connect();
  clients.push(client);
  return client;
}
const numbers = async (): Promise<unknown[]> =>
  (await pool.query<{ n: number }>('SELECT n FROM public.t ORDER BY n')).rows.map(({ n }) => n);

beforeAll(async () => {
  await database().script('CREATE TABLE public.t (n integer PRIMARY KEY)');
});
beforeEach(() => {
  pool = new PglitePool(database().handle);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.release();
  await pool.query('TRUNCATE public.t');
});

describe('a transaction on a client of the pool', () => {
  it('holds the session: whoever else asks waits for its end and then sees it', async () => {
    const client = await connect();
    await client.query('BEGIN');
    await client.query('INSERT INTO public.t VALUES (1)');
    const order: string[] = [];
    const outside = numbers().then((found) => {
      order.push('outside');
      return found;
    });
    await setImmediate();
    await client.query('INSERT INTO public.t VALUES ($1)', [2]);
    order.push('inside');
    await client.query('COMMIT');
    expect(await outside).toEqual([1, 2]);
    expect(order).toEqual(['inside', 'outside']);
  });

  it('begins one after the other when two clients begin', async () => {
    const [one, two] = [await connect(), await connect()];
    await one.query('BEGIN');
    const second = two.query('BEGIN').then(() => two.query('INSERT INTO public.t SELECT count(*) + 10 FROM public.t'));
    await one.query('INSERT INTO public.t VALUES (1)');
    await one.query('COMMIT');
    await second;
    await two.query('COMMIT');
    expect(await numbers()).toEqual([1, 11]);
  });

  it('leaves nothing after ROLLBACK', async () => {
    const client = await connect();
    await client.query('BEGIN');
    await client.query('INSERT INTO public.t VALUES (1)');
    await client.query('ROLLBACK');
    expect(await numbers()).toEqual([]);
  });

  it('that a statement failed in can be rolled back, and the client goes on', async () => {
    const client = await connect();
    await client.query('BEGIN');
    await client.query('INSERT INTO public.t VALUES (1)');
    await expect(client.query('INSERT INTO public.t VALUES (1)')).rejects.toThrow(/duplicate key/);
    await expect(client.query('SELECT 1')).rejects.toThrow(/aborted/);
    await client.query('ROLLBACK');
    await client.query('INSERT INTO public.t VALUES (3)');
    expect(await numbers()).toEqual([3]);
  });

  it('that a statement failed in commits nothing', async () => {
    const client = await connect();
    await client.query('BEGIN');
    await client.query('INSERT INTO public.t VALUES (1)');
    await expect(client.query('SELECT no_such_column')).rejects.toThrow(/no_such_column/);
    await client.query('COMMIT').catch(() => undefined);
    expect(await numbers()).toEqual([]);
  });

  it('is rolled back when its client is released in the middle, and holds nobody up', async () => {
    const client = await connect();
    await client.query('-- why\n  -- and how\n begin');
    await client.query('INSERT INTO public.t VALUES (1)');
    client.release();
    expect(await numbers()).toEqual([]);
  });
});

describe('a query outside a transaction', () => {
  it('counts rows as pg does: those returned, else those changed', async () => {
    expect(await pool.query('INSERT INTO public.t VALUES (1), (2)')).toMatchObject({ rowCount: 2, rows: [] });
    expect(await pool.query('SELECT n FROM public.t WHERE n > $1', [1])).toEqual({ rowCount: 1, rows: [{ n: 2 }] });
    expect(await pool.query('SELECT n FROM public.t WHERE n > 9')).toEqual({ rowCount: 0, rows: [] });
  });

  it('may be a script, and gives its last result', async () => {
    expect(await pool.query('INSERT INTO public.t VALUES (7); SELECT n FROM public.t')).toMatchObject({
      rows: [{ n: 7 }],
    });
  });
});

describe('LISTEN on a client of the pool', () => {
  it('brings notifications, also when comments lead the statement', async () => {
    const client = await connect();
    await client.query('-- wake up for jobs\nLISTEN bullmq_test');
    await client.query('LISTEN "other_test";');
    const first = once(client, 'notification');
    await pool.query(`SELECT pg_notify('bullmq_test', $1)`, ['runs']);
    expect(await first).toEqual([{ channel: 'bullmq_test', payload: 'runs' }]);
    const second = once(client, 'notification');
    await pool.query(`SELECT pg_notify('other_test', $1)`, ['x']);
    expect(await second).toEqual([{ channel: 'other_test', payload: 'x' }]);
  });

  it('ends with UNLISTEN and with release, for this client alone', async () => {
    const [ends, leaves, stays] = [await connect(), await connect(), await connect()];
    const heard: string[] = [];
    for (const [name, client] of Object.entries({ ends, leaves, stays })) {
      await client.query('LISTEN ending_test');
      client.on('notification', () => heard.push(name));
    }
    await ends.query('UNLISTEN ending_test');
    leaves.release();
    const last = once(stays, 'notification');
    await pool.query(`SELECT pg_notify('ending_test', '')`);
    await last;
    expect(heard).toEqual(['stays']);
  });
});
