import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { canOwnServers, ownPostgres, ownRedis, type PrivateServer } from '../support/servers.ts';
import { FaultProxy } from './fault-proxy.ts';

const describeOwn = canOwnServers ? describe : describe.skip;

describeOwn('a fault proxy (needs servers of its own)', () => {
  let postgres: PrivateServer;
  let redis: PrivateServer;
  const endings: (() => unknown)[] = [];

  beforeAll(async () => {
    [postgres, redis] = [await ownPostgres(), await ownRedis()];
    await (await direct()).query('CREATE TABLE said (word text)');
  }, 60_000);
  afterEach(async () => {
    for (const end of endings.splice(0).reverse()) await end();
  });
  afterAll(async () => {
    await Promise.all([postgres.stop(), redis.stop()]);
  });

  async function client(url: string): Promise<Client> {
    const connected = new Client({ connectionString: url });
    connected.on('error', () => undefined);
    await connected.connect();
    endings.push(async () => await connected.end());
    return connected;
  }
  const direct = async () => await client(postgres.url);
  const words = async () =>
    (await (await direct()).query<{ word: string }>('SELECT word FROM said')).rows.map((r) => r.word);

  async function proxied() {
    const proxy = await FaultProxy.start(postgres.url, 'postgres');
    endings.push(async () => await proxy.close());
    return { proxy, sql: await client(proxy.through(postgres.url)) };
  }
  const insert = 'INSERT INTO said (word) VALUES ($1)';

  it('stops a statement before the server gets it, and lets it go late', async () => {
    const { proxy, sql } = await proxied();
    const stopped = proxy.stopAt({ statement: 'INSERT INTO said', values: 'late', when: 'before' });
    await sql.query(insert, ['early']);
    const writing = sql.query(insert, ['late']);
    const { letGo } = await stopped;
    expect(await words()).toEqual(['early']);
    letGo();
    await writing;
    expect(await words()).toEqual(['early', 'late']);
  });

  it('stops a statement that was carried out before the client learns of it', async () => {
    const { proxy, sql } = await proxied();
    const stopped = proxy.stopAt({ statement: 'INSERT INTO said', when: 'after' });
    let known = false;
    const writing = sql.query(insert, ['done']).then(() => {
      known = true;
    });
    const { letGo } = await stopped;
    expect(await words()).toContain('done');
    expect(known).toBe(false);
    letGo();
    await writing;
  });

  it('fires once, acts before any further byte, and leaves long parameters alone', async () => {
    const { proxy, sql } = await proxied();
    let acted = 0;
    void proxy.stopAt({ statement: 'long', when: 'before' }, ({ letGo }) => {
      acted += 1;
      letGo();
    });
    const long = 'x'.repeat(3_000_000);
    const { rows } = await sql.query<{ n: number }>('SELECT length($1 || $2) AS n', [long, 'long']);
    await sql.query('SELECT $1::text', ['long']);
    expect(rows).toEqual([{ n: 3_000_004 }]);
    expect(acted).toBe(1);
  });

  it('breaks connections and refuses new ones until it is healed', async () => {
    const { proxy, sql } = await proxied();
    const broken = new Promise((resolve) => sql.once('end', resolve));
    proxy.cut();
    await broken;
    await expect(client(proxy.through(postgres.url))).rejects.toThrow();
    proxy.heal();
    await (await client(proxy.through(postgres.url))).query('SELECT 1');
    expect(proxy.connections).toHaveLength(2);
  });

  it('stops a command of Redis by its arguments', async () => {
    const proxy = await FaultProxy.start(redis.url, 'redis');
    const commands = new Redis(proxy.through(redis.url));
    commands.on('error', () => undefined);
    endings.push(
      async () => await proxy.close(),
      () => commands.disconnect(),
    );
    await commands.set('first', '1');
    const stopped = proxy.stopAt({ statement: 'second', when: 'before' });
    const setting = commands.set('second', '2');
    const { letGo } = await stopped;
    letGo();
    expect(await setting).toBe('OK');
    expect(await commands.get('second')).toBe('2');
  });
});
