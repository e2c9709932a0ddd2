import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import type { Worker } from 'bullmq';
import { useStore } from '../../../../test/support/embedded.ts';
import { freshPrefix, sharedRedisUrl } from '../../../../test/support/servers.ts';
import { PgliteDatabase } from '../embedded/pglite-database.ts';
import { RedisServer } from '../fleet/redis.ts';
import { redisBackend } from '../fleet/redis-backend.ts';
import { type BullmqBackend, BullmqDoorbell, embeddedBackend } from './bullmq-doorbell.ts';
import { type DoorbellUnderTest, describeDoorbell } from './doorbell.contract.ts';

const database = useStore((folder) => PgliteDatabase.open(join(folder, 'postgres')));

/** What a worker that dies does: nothing any more. Forced, BullMQ neither waits for its jobs nor renews their locks. */
function mortal({ queue, worker }: BullmqBackend): { backend: BullmqBackend; vanish: () => Promise<void> } {
  const workers: Worker[] = [];
  const backend: BullmqBackend = {
    queue,
    worker: (...parts) => {
      const made = worker(...parts);
      workers.push(made);
      return made;
    },
  };
  const vanish = async (): Promise<void> => {
    await Promise.all(workers.map((made) => made.close(true)));
  };
  return { backend, vanish };
}

async function open(): Promise<DoorbellUnderTest> {
  const { backend, vanish } = mortal(await embeddedBackend(database()));
  return { doorbell: new BullmqDoorbell(backend), vanish };
}

async function emptyQueues(): Promise<void> {
  const { rows } = await database().query<{ name: string }>(
    `SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') AS name FROM pg_tables
     WHERE schemaname = 'bullmq' AND tablename NOT LIKE '%migration%'`,
  );
  const tables = rows[0]?.name ?? null;
  if (tables !== null) await database().script(`TRUNCATE ${tables}`);
}

describeDoorbell('PGlite', async () => {
  await emptyQueues();
  return open;
});

/** One for each process that a test makes up. */
const servers: RedisServer[] = [];
const closeServers = (): void => {
  for (const server of servers.splice(0)) server.close();
};
afterAll(closeServers);

describeDoorbell('Redis', async () => {
  closeServers();
  const prefix = freshPrefix();
  return async () => {
    const server = new RedisServer(sharedRedisUrl());
    servers.push(server);
    const { backend, vanish } = mortal(redisBackend(server, prefix));
    return { doorbell: new BullmqDoorbell(backend), vanish };
  };
});
