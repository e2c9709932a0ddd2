import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  canOwnServers,
  freshPrefix,
  ownRedis,
  type PrivateServer,
  sharedRedisUrl,
} from '../../../../test/support/servers.ts';
import { nameOf } from '../key-name.ts';
import { dayMs } from '../pace/gate.ts';
import { LocalGate } from '../pace/local-gate.ts';
import { describePace } from '../pace/pace.contract.ts';
import { SteadyGate } from '../pace/steady-gate.ts';
import { RedisServer } from './redis.ts';
import { RedisBus } from './redis-bus.ts';
import { RedisGate } from './redis-gate.ts';

const opened: { close(): void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0).reverse()) one.close();
});
function connect(url = sharedRedisUrl()): RedisServer {
  const redis = new RedisServer(url);
  opened.push(redis);
  return redis;
}

describePace('on Redis', (holdMs) => {
  const prefix = freshPrefix();
  return () => {
    const redis = connect();
    const bus = new RedisBus(redis, `${prefix}:bus:`);
    opened.push(bus);
    return { gate: new RedisGate(redis, `${prefix}:pace:`, holdMs), bus };
  };
});

const rule = { perSecond: 10, burst: 2, parallel: 9, perDay: null };

describe('a gate on Redis', () => {
  it('leaves no key without an end, and none for longer than it is needed', async () => {
    const prefix = freshPrefix();
    const redis = connect();
    const gate = new RedisGate(redis, prefix);
    await gate.take('paced', rule);
    await gate.take('counted', { ...rule, perDay: 5 });
    await gate.take('counted', rule);
    await gate.rest('resting', 60_000);
    await gate.rest('resting', 10);
    const look = redis.connect();
    const lives = async (key: string) => await look.pttl(`${prefix}${nameOf(key)}`);
    expect(await lives('paced')).toBeLessThan(1_500);
    expect(await lives('paced:held')).toBeLessThan(120_001);
    const untilMidnight = dayMs - (Date.now() % dayMs);
    expect(Math.abs((await lives('counted')) - untilMidnight)).toBeLessThan(10_000);
    expect(await lives('resting')).toBeGreaterThan(59_000);
    const keys = await look.keys(`${prefix}*`);
    expect(keys).toHaveLength(5);
    for (const key of keys) expect(await look.pttl(key)).toBeGreaterThan(0);
  });

  it('begins a new quota with the day', async () => {
    const prefix = freshPrefix();
    const redis = connect();
    const gate = new RedisGate(redis, prefix);
    const once = { ...rule, perDay: 1 };
    expect([(await gate.take('host', once)).granted, (await gate.take('host', once)).granted]).toEqual([true, false]);
    // As if all of that had been yesterday: the clock of a server cannot be set.
    const yesterday = Math.floor(Date.now() / dayMs) - 1;
    await redis.connect().hset(`${prefix}${nameOf('host')}`, 'day', yesterday);
    expect((await gate.take('host', once)).granted).toBe(true);
  });

  it('is closed for no longer than its rule can, when a slower one or another clock was there before', async () => {
    const gate = new RedisGate(connect(), freshPrefix());
    await gate.take('host', { ...rule, perSecond: 0.001, burst: 1 });
    expect(await gate.take('host', { ...rule, burst: 1 })).toMatchObject({ why: 'rate', retryAfterMs: 100 });
  });
});

const describeOwn = canOwnServers ? describe : describe.skip;

describeOwn('a pace whose Redis fails (needs servers that may be killed)', () => {
  let server: PrivateServer;
  beforeAll(async () => {
    server = await ownRedis();
  });
  afterAll(async () => {
    await server.stop();
  });

  it('is kept by each process for itself meanwhile, said once, and by the fleet afterwards', async () => {
    const said: string[] = [];
    const watch = { away: () => void said.push('away'), back: () => void said.push('back') };
    const prefix = freshPrefix();
    const process = () => new SteadyGate(new RedisGate(connect(server.url), prefix), new LocalGate(Date.now), watch);
    const [one, other] = [process(), process()];
    const slow = { perSecond: 0.01, burst: 1, parallel: 1, perDay: null };
    await one.rest('resting', 60_000);
    const before = await one.take('host', slow);
    expect([before.granted, (await other.take('host', slow)).granted]).toEqual([true, false]);
    await server.kill();
    if (before.granted) await before.give();
    // Each grants what the rule grants, once; and what rested still rests where it was asked for.
    const alone = [await one.take('host', slow), await one.take('host', slow), await one.take('resting', slow)];
    expect(alone.map(({ granted }) => granted)).toEqual([true, false, false]);
    expect(said).toEqual(['away']);
    await server.start();
    while (!said.includes('back')) {
      await one.take('probe', slow);
      await pause(20);
    }
    expect(said).toEqual(['away', 'back']);
  });

  it('is there from the first turn of a process that has only begun to connect', async () => {
    const said: string[] = [];
    const watch = { away: () => void said.push('away'), back: () => undefined };
    const gate = new SteadyGate(new RedisGate(connect(server.url)), new LocalGate(Date.now), watch);
    expect((await gate.take('first', rule)).granted).toBe(true);
    expect(said).toEqual([]);
  });

  it('does not wait for a Redis that takes commands and does not answer', async () => {
    const said: string[] = [];
    const watch = { away: (cause: unknown) => void said.push(String(cause)), back: () => undefined };
    const redis = connect(server.url);
    const gate = new SteadyGate(new RedisGate(redis), new LocalGate(Date.now), watch);
    await gate.take('host', rule);
    await redis.connect().call('CLIENT', 'PAUSE', 60_000, 'ALL');
    expect((await gate.take('host', { ...rule, perSecond: 1e6 })).granted).toBe(true);
    expect(said).toEqual([expect.stringMatching(/timed out/)]);
  });
});
