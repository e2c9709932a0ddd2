import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from '@jest/globals';
import { placeEmptyCluster } from '../../../../test/support/embedded.ts';
import { startObjectServer } from '../../../../test/support/object-server.ts';
import { freshDatabase, freshPrefix, sharedRedisUrl } from '../../../../test/support/servers.ts';
import { type Bus, LocalBus } from '../bus.ts';
import { type DeltaTail, LocalTail } from '../deltas.ts';
import { BullmqDoorbell, embeddedBackend } from '../doorbell/bullmq-doorbell.ts';
import type { Doorbell } from '../doorbell/doorbell.ts';
import { PgliteDatabase } from '../embedded/pglite-database.ts';
import { migrateOnce } from '../fleet/open.ts';
import { PgDatabase } from '../fleet/pg-database.ts';
import { RedisServer } from '../fleet/redis.ts';
import { redisBackend } from '../fleet/redis-backend.ts';
import { RedisBus } from '../fleet/redis-bus.ts';
import { RedisTail } from '../fleet/redis-tail.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { signatureFault, testSettings } from '../objects/s3.contract.ts';
import { S3Store } from '../objects/s3.ts';
import { type Acceptance, Acceptances, type Accepted } from './accept.ts';
import type { Database, Statements } from './database.ts';
import { migrate } from './migrate.ts';

/** Accepts as a process of its own would that has nothing else to accept. */
export async function accept(database: Statements, acceptance: Acceptance): Promise<Accepted> {
  return await new Acceptances(() => database).accept(acceptance);
}

/** The stores of one process, migrated and empty. */
export interface Stores {
  readonly database: Database;
  /** The same as the owner of its tables. */
  readonly owner: Database;
  /** Where bytes go; null: into the database. */
  readonly objects: ObjectStore | null;
  readonly bus: Bus;
  readonly tail: DeltaTail;
  /** Each is as another process would hold it. */
  doorbell(): Promise<Doorbell>;
  close(): Promise<void>;
}

async function openEmbeddedStores(): Promise<Stores> {
  const folder = mkdtempSync(join(tmpdir(), 'argosy-test-'));
  placeEmptyCluster(folder);
  const database = await PgliteDatabase.open(join(folder, 'postgres'));
  await migrate(database);
  return {
    database,
    owner: database,
    objects: null,
    bus: new LocalBus(),
    tail: new LocalTail(),
    doorbell: async () => new BullmqDoorbell(await embeddedBackend(database)),
    close: async () => {
      await database.close();
      rmSync(folder, { recursive: true });
    },
  };
}

async function openFleetStores(): Promise<Stores> {
  const fresh = await freshDatabase();
  const database = await PgDatabase.open(fresh.url);
  await migrateOnce(database);
  database.actAs('argosy_fleet');
  const owner = await PgDatabase.open(fresh.url, { connections: 2 });
  const redis = new RedisServer(sharedRedisUrl());
  const prefix = freshPrefix();
  const bus = new RedisBus(redis, `${prefix}:bus:`);
  return {
    database,
    owner,
    objects: null,
    bus,
    tail: new RedisTail(redis, `${prefix}:tail:`),
    doorbell: async () => new BullmqDoorbell(redisBackend(redis, prefix)),
    close: async () => {
      bus.close();
      redis.close();
      await Promise.all([database.close(), owner.close()]);
      await fresh.drop();
    },
  };
}

/** The same with bytes in an object store. */
async function openObjectStores(): Promise<Stores> {
  const server = await startObjectServer([testSettings.bucket], signatureFault);
  const objects = new S3Store({ ...testSettings, endpoint: server.url });
  const stores = await openFleetStores();
  return {
    ...stores,
    objects,
    close: async () => {
      objects.close();
      await server.close();
      await stores.close();
    },
  };
}

const places = [
  ['PGlite', openEmbeddedStores],
  ['PostgreSQL and Redis', openFleetStores],
] as const;

/** Runs a suite on the stores of an embedded process and on those of a fleet. Tests keep apart by tenant. */
export function describeStores(suite: (stores: () => Stores) => void): void {
  describeEach(places, suite);
}

/** The same, and once more with bytes in an object store. */
export function describeDepots(suite: (stores: () => Stores) => void): void {
  describeEach([...places, ['PostgreSQL, Redis and an object store', openObjectStores]], suite);
}

function describeEach(
  kinds: readonly (readonly [string, () => Promise<Stores>])[],
  suite: (stores: () => Stores) => void,
): void {
  describe.each(kinds)('on %s:', (_name, open) => {
    let stores: Stores | null = null;
    beforeAll(async () => {
      stores = await open();
    });
    afterAll(async () => {
      await stores?.close();
    });
    suite(() => {
      if (stores === null) throw new Error('The stores are open only inside tests and hooks.');
      return stores;
    });
  });
}
