import type { Redis } from 'ioredis';
import { type RateClaim, type Rated, type Rates, remainingOf } from '../access/rates.ts';
import { nameOf } from '../key-name.ts';
import { intervalMs } from '../pace/gate.ts';
import type { RedisServer } from './redis.ts';
import { firstReady, gateConnection } from './redis-gate.ts';

const defaultPrefix = '{argosy}:rate:';

/** How long Redis may take to answer: every request waits for it. */
const usualAnswerMs = 250;

/**
 * What `refusalOf` and `count` do with each of some keys at once, on Redis' own clock: all are counted, or none.
 * KEYS: for each, when all that came is paid off. ARGV: for each, interval in ms and burst.
 * Returns the ms to wait at least, 0 for a request that was counted; then for each key the ms until all is paid off.
 */
const takeAll = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local wait, paid = 0, {}
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  paid[i] = math.max(now, math.min(tonumber(redis.call('GET', key)) or 0, now + burst * interval))
  wait = math.max(wait, paid[i] - (burst - 1) * interval - now)
end
local answer = {tostring(math.ceil(wait))}
for i, key in ipairs(KEYS) do
  if wait <= 0 then
    paid[i] = paid[i] + ARGV[2 * i - 1]
    redis.call('SET', key, string.format('%.3f', paid[i]), 'PX', math.ceil(paid[i] - now) + 1000)
  end
  answer[i + 1] = string.format('%.3f', paid[i] - now)
end
return answer`;

/** The rates of a fleet. No key outlives what it is for. */
export class RedisRates implements Rates {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #connected: Promise<void>;

  /** `redis` owns the connection. */
  constructor(redis: RedisServer, { prefix = defaultPrefix, answerMs = usualAnswerMs } = {}) {
    this.#prefix = prefix;
    this.#redis = redis.connect({ ...gateConnection, commandTimeout: answerMs });
    this.#connected = firstReady(this.#redis);
  }

  /** @throws whatever Redis or the connection says */
  async take(claims: readonly RateClaim[]): Promise<Rated> {
    await this.#connected;
    const keys = claims.map(({ key }) => this.#prefix + nameOf(key));
    const rules = claims.flatMap(({ rule }) => [intervalMs(rule), rule.burst]);
    const answer = await this.#redis.eval(takeAll, keys.length, ...keys, ...rules);
    const [retryAfterMs = 0, ...resets] = (answer as string[]).map(Number); // what the script returns
    const standings = claims.map(({ rule }, index) => {
      const resetMs = resets[index] ?? 0;
      return { remaining: remainingOf(resetMs, rule), resetMs: Math.ceil(resetMs) };
    });
    return { granted: retryAfterMs <= 0, retryAfterMs: Math.max(0, retryAfterMs), standings };
  }
}
