import type { Redis } from 'ioredis';
import { type DeltaTail, tailLength } from '../deltas.ts';
import type { RedisServer } from './redis.ts';

const defaultPrefix = '{argosy}:tail:';

/** How long a tail outlives its last delta, in seconds. */
const keptSeconds = 600;

/** Tails as Redis streams, each capped in length and with an end: what models write cannot fill the queue's memory. */
export class RedisTail implements DeltaTail {
  readonly #redis: Redis;
  readonly #prefix: string;

  /** `redis` owns the connection. */
  constructor(redis: RedisServer, prefix = defaultPrefix) {
    this.#prefix = prefix;
    // A delta that cannot be kept now is worthless later, and thousands of them would fill the memory.
    this.#redis = redis.connect({ enableOfflineQueue: false, autoResendUnfulfilledCommands: false });
  }

  append(run: string, delta: string): void {
    const key = this.#prefix + run;
    const both = this.#redis.pipeline().xadd(key, 'MAXLEN', '~', tailLength, '*', 'd', delta).expire(key, keptSeconds);
    both.exec().catch(() => undefined);
  }

  async recent(run: string): Promise<readonly string[]> {
    const entries = await this.#redis.xrange(this.#prefix + run, '-', '+');
    return entries.map(([, [, delta = '']]) => delta);
  }

  async forget(run: string): Promise<void> {
    await this.#redis.del(this.#prefix + run).catch(() => undefined);
  }
}
