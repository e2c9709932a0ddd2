import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { freshPrefix, sharedRedisUrl } from '../../../../test/support/servers.ts';
import { LocalRates, type RateRule } from '../access/rates.ts';
import { RedisServer } from './redis.ts';
import { RedisRates } from './redis-rates.ts';

const opened: RedisServer[] = [];
afterEach(() => {
  for (const redis of opened.splice(0)) redis.close();
});
function connect(): RedisServer {
  const redis = new RedisServer(sharedRedisUrl());
  opened.push(redis);
  return redis;
}

/** So slow that nothing is paid off within a test: what its clock shows makes no difference. */
const never = (burst: number): RateRule => ({ perSecond: 1e-6, burst });

/** What is asked here has no caller that waits. */
const patient = (prefix: string) => ({ prefix, answerMs: 20_000 });

describe('rates on Redis', () => {
  it('grant, refuse and say what is left as those of one process do, over two connections', async () => {
    const asks = fc.array(fc.tuple(fc.uniqueArray(fc.nat(2), { minLength: 1 }), fc.boolean()), { maxLength: 20 });
    const redis = connect();
    await fc.assert(
      fc.asyncProperty(asks, async (sequence) => {
        const prefix = freshPrefix();
        const [one, other, twin] = [
          new RedisRates(redis, patient(prefix)),
          new RedisRates(redis, patient(prefix)),
          new LocalRates(() => 1e12),
        ];
        for (const [keys, first] of sequence) {
          const claims = keys.map((key) => ({ key: `k${key}`, rule: never(1 + 2 * key) }));
          const told = await (first ? one : other).take(claims);
          const expected = await twin.take(claims);
          expect(told.granted).toBe(expected.granted);
          expect(told.standings.map(({ remaining }) => remaining)).toEqual(
            expected.standings.map(({ remaining }) => remaining),
          );
        }
      }),
      { numRuns: 20 },
    );
  });

  it('say how long to wait, and leave no key for longer than it is needed', async () => {
    const prefix = freshPrefix();
    const redis = connect();
    const rates = new RedisRates(redis, patient(prefix));
    const claims = [{ key: 'tenant acme', rule: { perSecond: 0.1, burst: 2 } }];
    for (const remaining of [1, 0]) {
      expect(await rates.take(claims)).toMatchObject({ granted: true, retryAfterMs: 0, standings: [{ remaining }] });
    }
    const refused = await rates.take(claims);
    expect(refused.granted).toBe(false);
    expect(refused.retryAfterMs).toBeGreaterThan(5_000);
    expect(refused.retryAfterMs).toBeLessThanOrEqual(10_000);
    const look = redis.connect();
    const keys = await look.keys(`${prefix}*`);
    expect(keys).toHaveLength(1);
    expect(keys.join()).not.toContain('acme');
    expect(await look.pttl(keys[0] ?? '')).toBeGreaterThan(15_000);
    expect(await look.pttl(keys[0] ?? '')).toBeLessThan(22_000);
  });

  it('are not kept from anyone by a slower rule that was there before', async () => {
    const rates = new RedisRates(connect(), patient(freshPrefix()));
    await rates.take([{ key: 'k', rule: never(1) }]);
    const { retryAfterMs } = await rates.take([{ key: 'k', rule: { perSecond: 1, burst: 1 } }]);
    expect(retryAfterMs).toBe(1_000);
  });
});
