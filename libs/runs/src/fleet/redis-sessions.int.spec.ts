import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { freshPrefix, sharedRedisUrl } from '../../../../test/support/servers.ts';
import { nameOf } from '../key-name.ts';
import { LocalSessions, sessionLifeMs } from '../sessions.ts';
import { RedisServer } from './redis.ts';
import { RedisSessions } from './redis-sessions.ts';

const opened: RedisServer[] = [];
afterEach(() => {
  for (const redis of opened.splice(0)) redis.close();
});
function connect(): RedisServer {
  const redis = new RedisServer(sharedRedisUrl());
  opened.push(redis);
  return redis;
}

/** What is asked here has no caller that waits. */
const patient = (prefix: string) => ({ prefix, answerMs: 20_000 });

type Step = readonly ['find' | 'forget', string] | readonly ['move', string, string, number];

describe('sessions on Redis', () => {
  it('stay, move and are forgotten as those of one process are, over two connections', async () => {
    const session = fc.constantFrom('s', 't');
    const steps = fc.oneof(
      fc.tuple(fc.constantFrom('find' as const, 'forget' as const), session),
      fc.tuple(fc.constant('move' as const), session, fc.constantFrom('a:1', 'b:2'), fc.nat(3)),
    );
    const redis = connect();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(steps, fc.boolean()), { maxLength: 15 }), async (sequence) => {
        const prefix = freshPrefix();
        const twin = new LocalSessions(() => 0);
        const [one, other] = [new RedisSessions(redis, patient(prefix)), new RedisSessions(redis, patient(prefix))];
        const done = async (of: RedisSessions | LocalSessions, step: Step) => {
          if (step[0] === 'move') return { ...(await of.move(step[1], step[2], step[3])), ageMs: 0 };
          const found = await of[step[0]](step[1]);
          return found ? { ...found, ageMs: 0 } : null;
        };
        for (const [step, first] of sequence) {
          expect(await done(first ? one : other, step)).toEqual(await done(twin, step));
        }
      }),
      { numRuns: 20 },
    );
  });

  it('lives for as long as it is asked for, and knows how long it has been where it is', async () => {
    const redis = connect();
    const prefix = freshPrefix();
    const sessions = new RedisSessions(redis, patient(prefix));
    const look = redis.connect();
    await sessions.move('s', 'a:1', 0);
    await look.hincrby(prefix + nameOf('s'), 'since', -5_000);
    await look.pexpire(prefix + nameOf('s'), 60_000);
    const found = await sessions.find('s');
    expect(found?.ageMs).toBeGreaterThanOrEqual(5_000);
    expect(await look.pttl(prefix + nameOf('s'))).toBeGreaterThan(sessionLifeMs / 2);
  });
});
