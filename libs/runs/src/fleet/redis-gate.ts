import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { nameOf } from '../key-name.ts';
import { type Gate, type Grant, intervalMs, type PaceRule, type Refusal, usualHoldMs } from '../pace/gate.ts';
import type { RedisServer } from './redis.ts';

const defaultPrefix = '{argosy}:pace:';

/** How long Redis may take to answer, the first connection included. */
const answerMs = 1_000;

/** For what is only asked now: an answer that nobody waits for any more would only keep others out. */
export const gateConnection = {
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  commandTimeout: answerMs,
} as const;

const reasons = ['resting', 'quota', 'rate', 'full'] as const satisfies readonly Refusal['why'][];

/**
 * What `refusalOf` and `count` do, on Redis' own clock.
 * KEYS: a hash (paid, rest, day, used) and a sorted set of holders by the instant at which each ends on its own account.
 * ARGV: interval ms, burst, parallel, turns a day or -1, holder, hold ms. Returns {0, 0} or {reason, ms to wait at least}.
 */
const takeTurn = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local interval, burst, perDay = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4])
local known = redis.call('HMGET', KEYS[1], 'paid', 'rest', 'day', 'used')
local paid = math.min(tonumber(known[1]) or 0, now + burst * interval)
local rest = tonumber(known[2]) or 0
local today = math.floor(now / 86400000)
local midnight = (today + 1) * 86400000
local used = tonumber(known[3]) == today and tonumber(known[4]) or 0
if rest > now then return {1, math.ceil(rest - now)} end
if perDay >= 0 and used >= perDay then return {2, math.ceil(midnight - now)} end
local wait = paid - (burst - 1) * interval - now
if wait > 0 then return {3, math.ceil(wait)} end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.3f', now))
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[3]) then return {4, 0} end
paid = math.max(paid, now) + interval
redis.call('HSET', KEYS[1], 'paid', string.format('%.3f', paid))
if perDay >= 0 then
  used = used + 1
  redis.call('HSET', KEYS[1], 'day', today, 'used', used)
end
redis.call('PEXPIRE', KEYS[1], math.ceil(math.max(paid, used > 0 and midnight or 0) - now) + 1000)
redis.call('ZADD', KEYS[2], string.format('%.3f', now + ARGV[6]), ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[6])
return {0, 0}`;

/** KEYS: the hash. ARGV: how long to rest, in ms. Neither a rest nor the life of the key is ever made shorter. */
const takeRest = `
local time = redis.call('TIME')
local ends = time[1] * 1000 + time[2] / 1000 + ARGV[1]
if (tonumber(redis.call('HGET', KEYS[1], 'rest')) or 0) < ends then
  redis.call('HSET', KEYS[1], 'rest', string.format('%.3f', ends))
end
local life = math.ceil(ARGV[1]) + 1000
if redis.call('PTTL', KEYS[1]) < life then redis.call('PEXPIRE', KEYS[1], life) end
return 0`;

/** The gate of a fleet: one script for each operation, and no key outlives what it is for. */
export class RedisGate implements Gate {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #holdMs: number;
  readonly #connected: Promise<void>;

  /** `redis` owns the connection. */
  constructor(redis: RedisServer, prefix = defaultPrefix, holdMs = usualHoldMs) {
    this.#prefix = prefix;
    this.#holdMs = holdMs;
    this.#redis = redis.connect(gateConnection);
    this.#connected = firstReady(this.#redis);
  }

  /** @throws whatever Redis or the connection says */
  async take(key: string, rule: PaceRule): Promise<Grant | Refusal> {
    await this.#connected;
    const [hash, held] = this.#keys(key);
    const holder = randomUUID();
    const numbers = [intervalMs(rule), rule.burst, rule.parallel, rule.perDay ?? -1];
    const answer = await this.#redis.eval(takeTurn, 2, hash, held, ...numbers, holder, this.#holdMs);
    const [reason, retryAfterMs] = answer as [number, number]; // what the script returns
    const why = reasons[reason - 1];
    if (why !== undefined) return { granted: false, why, retryAfterMs };
    // One that cannot be given back now ends by itself.
    return { granted: true, give: async () => void (await this.#redis.zrem(held, holder).catch(() => undefined)) };
  }

  async rest(key: string, ms: number): Promise<void> {
    await this.#connected;
    await this.#redis.eval(takeRest, 1, this.#keys(key)[0], ms);
  }

  #keys(key: string): readonly [string, string] {
    const name = this.#prefix + nameOf(key);
    return [name, `${name}:held`];
  }
}

/** Waits for a connection that is only being made; one that does not come is away. */
export async function firstReady(redis: Redis): Promise<void> {
  if (redis.status === 'ready') return;
  const ready = new Promise<void>((resolve) => redis.once('ready', () => resolve()));
  const enough = new AbortController();
  await Promise.race([ready, pause(answerMs, undefined, { signal: enough.signal }).catch(() => undefined)]);
  enough.abort();
}
