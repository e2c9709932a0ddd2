/** Looks into a fleet's stores from outside, as an operator would with psql and redis-cli. */
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
