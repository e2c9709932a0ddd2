import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Unavailable } from '#errors';
import { keepLooking } from '../../../../test/support/looking.ts';
import { acceptanceOf, reportOf } from '../../../../test/support/research.ts';
import {
  canOwnServers,
  type FreshDatabase,
  freshDatabase,
  ownRedis,
  type PrivateServer,
} from '../../../../test/support/servers.ts';
import { BullmqDoorbell } from '../doorbell/bullmq-doorbell.ts';
import type { Ring } from '../doorbell/doorbell.ts';
import { Runs } from '../runs.ts';
import { migrateOnce } from './open.ts';
import { PgDatabase } from './pg-database.ts';
import { RedisServer } from './redis.ts';
import { redisBackend } from './redis-backend.ts';
import { RedisBus } from './redis-bus.ts';
import { RedisTail } from './redis-tail.ts';

const describeOwn = canOwnServers ? describe : describe.skip;
const ringOf = (key: string): Ring => ({ bell: 'runs', tenantId: 'acme', runId: 'run-1', key });

describeOwn('a fleet whose Redis fails (needs servers that may be killed)', () => {
  let server: PrivateServer;
  let redis: RedisServer;
  let doorbell: BullmqDoorbell;
  beforeAll(async () => {
    server = await ownRedis();
  });
  afterAll(async () => {
    await server.stop();
  });
  beforeEach(() => {
    redis = new RedisServer(server.url);
    doorbell = new BullmqDoorbell(redisBackend(redis));
  });
  afterEach(async () => {
    await doorbell.close();
    redis.close();
  });

  /** Answers rings; `key` resolves when one was heard. */
  async function listen() {
    const waiting = new Map<string, PromiseWithResolvers<void>>();
    const entry = (key: string) => {
      const known = waiting.get(key) ?? Promise.withResolvers<void>();
      waiting.set(key, known);
      return known;
    };
    await doorbell.answer('runs', async ({ key }) => entry(key).resolve(), { concurrency: 2 });
    return { key: async (key: string) => await entry(key).promise };
  }

  it('answers rings again after a restart, those of before and those of after', async () => {
    const heard = await listen();
    await doorbell.ring(ringOf('first'));
    await heard.key('first');
    await doorbell.ring({ ...ringOf('waiting'), delayMs: 1500 });
    await server.kill();
    await server.start();
    await doorbell.ring(ringOf('after'));
    await heard.key('after');
    await heard.key('waiting');
  });

  it('says in time that nothing can be rung, and rings late what it can', async () => {
    const heard = await listen();
    await server.kill();
    await expect(doorbell.ring(ringOf('late'))).rejects.toThrow(Unavailable);
    await server.start();
    await heard.key('late');
  });

  it('lets a process go down while Redis is away', async () => {
    await listen();
    await server.kill();
    await expect(doorbell.ring(ringOf('never'))).rejects.toThrow(Unavailable);
    const closing = doorbell.close();
    redis.close();
    await closing;
    await server.start();
  });

  describe('with runs', () => {
    let fresh: FreshDatabase;
    let database: PgDatabase;
    beforeAll(async () => {
      fresh = await freshDatabase();
      database = await PgDatabase.open(fresh.url);
      await migrateOnce(database);
    });
    afterAll(async () => {
      await database.close();
      await fresh.drop();
    });

    it('rings again for every run whose ring FLUSHALL took', async () => {
      const settings = { leaseMs: 60_000, relookMs: 100, pollMs: 50 };
      const runs = new Runs({ database, doorbell, bus: new RedisBus(redis), tail: new RedisTail(redis) }, settings);
      const names = Array.from({ length: 10 }, (_, i) => `run-${i}`);
      for (const runId of names) await runs.accept(acceptanceOf('acme', runId));
      const member = await runs.join({ workerId: 'agent', role: 'agent-worker', slots: 10 });
      expect(await runs.dispatch()).toBe(10);
      await redis.connect().flushall();

      const driven: string[] = [];
      const all = Promise.withResolvers<void>();
      const answering = await runs.answerRuns(member, { concurrency: 5 }, async (run) => {
        await runs.commit(run, { events: [], outcome: { state: 'completed', report: reportOf(run.runId) } });
        driven.push(run.runId);
        if (driven.length === names.length) all.resolve();
      });
      const stopLooking = keepLooking(runs, 50);
      await all.promise;
      await stopLooking();
      await answering.close();
      await member.end();
      expect(driven.toSorted()).toEqual(names);
    });
  });
});
