/** Looks into a fleet's stores from outside, as an operator would with psql and redis-cli. */
import { inflateRawSync } from 'node:zlib';
import { Redis } from 'ioredis';
import { Client } from 'pg';

/** The rows of one statement. */
export async function rowsOf<R>(databaseUrl: string, sql: string): Promise<R[]> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return (await client.query(sql)).rows as R[]; // the caller knows what it selects
  } finally {
    await client.end();
  }
}

/** What the rings of a bell carry, those of the last minute that were answered included. */
export async function ringsOf(redisUrl: string, bell: string): Promise<Record<string, unknown>[]> {
  const redis = new Redis(redisUrl);
  try {
    const keys = await redis.keys(`*:${bell}:*`);
    const jobs = await Promise.all(
      keys.map(async (key) => ((await redis.type(key)) === 'hash' ? await redis.hget(key, 'data') : null)),
    );
    return jobs.flatMap((data) => (data === null ? [] : [JSON.parse(data) as Record<string, unknown>]));
  } finally {
    redis.disconnect();
  }
}

/** All that goes to a Redis while it is watched, as it stands in the commands. */
export async function watch(redisUrl: string) {
  const redis = new Redis(redisUrl);
  // Until it is ready it asks for things itself, and what comes before a monitor has begun, it takes for a fault.
  await redis.ping();
  const monitor = await redis.monitor();
  const commands: string[] = [];
  monitor.on('monitor', (_time: string, words: readonly string[]) => commands.push(words.join(' ')));
  const close = (): void => {
    monitor.disconnect();
    redis.disconnect();
  };
  return { redis, commands, close };
}

/** Every key with what it holds, by its type. */
export async function contentsOf(redis: Redis): Promise<string> {
  const read: Readonly<Record<string, (key: string) => Promise<unknown>>> = {
    string: async (key) => await redis.get(key),
    hash: async (key) => await redis.hgetall(key),
    list: async (key) => await redis.lrange(key, 0, -1),
    set: async (key) => await redis.smembers(key),
    zset: async (key) => await redis.zrange(key, '0', '-1', 'WITHSCORES'),
    stream: async (key) => await redis.xrange(key, '-', '+'),
    // It has ended meanwhile.
    none: async () => null,
  };
  const found: unknown[] = [];
  for await (const keys of redis.scanStream() as AsyncIterable<string[]>) {
    for (const key of keys) {
      const type = await redis.type(key);
      const contents = read[type];
      if (contents === undefined) throw new Error(`Redis has a key of the type ${type}, which is not looked into.`);
      found.push([key, await contents(key)]);
    }
  }
  return JSON.stringify(found);
}

/** Every row of every table of ours, with evidence unpacked, and bytes as text. */
export async function recordOf(databaseUrl: string): Promise<Map<string, string>> {
  const tables = await rowsOf<{ name: string }>(
    databaseUrl,
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
  );
  const record = new Map<string, string>();
  for (const { name } of tables) {
    const rows = await rowsOf<Record<string, unknown>>(databaseUrl, `SELECT * FROM ${name}`);
    record.set(
      name,
      JSON.stringify(rows, (_key, value) => textOf(value)),
    );
  }
  return record;
}

/** `JSON.stringify` has made objects of buffers by then. */
function textOf(value: unknown): unknown {
  const { type, data } = (value ?? {}) as { type?: unknown; data?: unknown };
  if (type !== 'Buffer' || !Array.isArray(data)) return value;
  const bytes = Buffer.from(data as number[]);
  try {
    return inflateRawSync(bytes).toString('latin1');
  } catch {
    return bytes.toString('latin1');
  }
}
