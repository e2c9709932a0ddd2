import { afterEach, describe, expect, it } from '@jest/globals';
import { Unavailable } from '#errors';
import { canOwnServers, ownRedis, type PrivateServer, sharedRedisUrl } from '../../../../test/support/servers.ts';
import { RedisEvicts, RedisServer } from './redis.ts';

const started: PrivateServer[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.stop()));
});
async function serverWith(settings: Readonly<Record<string, string>>): Promise<RedisServer> {
  const server = await ownRedis(settings);
  started.push(server);
  return new RedisServer(server.url);
}
const describeOwn = canOwnServers ? describe : describe.skip;

describe('the check of a Redis', () => {
  it('has nothing to say of one that is fit for queues', async () => {
    expect(await new RedisServer(sharedRedisUrl()).check()).toEqual([]);
  });
});

describeOwn('the check of a Redis (needs servers of its own)', () => {
  it.each(['allkeys-lru', 'volatile-ttl'])('refuses %s and says which command mends it', async (policy) => {
    const redis = await serverWith({ 'maxmemory-policy': policy });
    const checking = redis.check();
    await expect(checking).rejects.toThrow(RedisEvicts);
    await expect(checking).rejects.toThrow(
      new RegExp(`maxmemory-policy ${policy}.*CONFIG SET maxmemory-policy noeviction`),
    );
    expect(await redis.facts(10_000)).toMatchObject({ policy, evicts: expect.stringContaining('CONFIG SET') });
    const mending = redis.connect();
    await mending.config('SET', 'maxmemory-policy', 'noeviction');
    redis.close();
    expect(await redis.check()).toEqual([]);
  });

  it('warns of one without an append-only file', async () => {
    const warnings = await (await serverWith({ appendonly: 'no' })).check();
    expect(warnings).toEqual([expect.stringMatching(/no append-only file.*CONFIG SET appendonly yes/)]);
  });

  it('waits for one that is starting, and says what to do about one that stays away', async () => {
    const redis = await serverWith({});
    const [server] = started;
    await server?.kill();
    const checking = redis.check();
    await server?.start();
    expect(await checking).toEqual([]);
    await server?.kill();
    const hopeless = redis.check(200);
    await expect(hopeless).rejects.toThrow(Unavailable);
    await expect(hopeless).rejects.toThrow(/127\.0\.0\.1:\d+ cannot be used: .*ECONNREFUSED.*ARGOSY_REDIS_URL/);
  });

  it('names a wrong password', async () => {
    await serverWith({});
    const url = new URL(started[0]?.url ?? '');
    url.password = 'wrong';
    await expect(new RedisServer(url.href).check(2000)).rejects.toThrow(/cannot be used: .*WRONGPASS/);
  });
});
