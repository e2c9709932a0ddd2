import { type Job, Queue, type QueueOptions, Worker } from 'bullmq';
import { DeadlineExceeded, Unavailable } from '#errors';
import { type BullmqBackend, retention } from '../doorbell/bullmq-doorbell.ts';
import type { RedisServer } from './redis.ts';
import { wordsOf } from './server.ts';

type Payload = Parameters<Parameters<BullmqBackend['worker']>[1]>[0] extends Job<infer P> ? P : never;

/** All keys of one hash slot, so that a Redis Cluster can hold them. */
const defaultPrefix = '{argosy}';

/** How long a ring may take: whoever rings again later loses less by giving up than by waiting. */
const ringMs = 5_000;

/** Entries of BullMQ's own event stream, which nobody reads but people. */
const events = { maxLen: 1000 };

/** BullMQ on Redis. It closes no connection that it was given: closing `redis` does. */
export function redisBackend(redis: RedisServer, prefix = defaultPrefix): BullmqBackend {
  const ringing = redis.connect();
  // Opened by the first worker: a process that only rings needs none of them.
  let answering: ReturnType<RedisServer['connect']> | null = null;
  return {
    queue: (name) =>
      new RingingQueue(redis.where, name, {
        connection: ringing,
        prefix,
        defaultJobOptions: retention,
        streams: { events },
        // Looked at by `check`; asked again while Redis restarts, it would leave this queue unusable.
        skipVersionCheck: true,
      }),
    worker: (name, process, { concurrency, lockMs }) => {
      answering ??= redis.connect();
      return new Worker<Payload>(name, process, {
        connection: answering,
        prefix,
        concurrency,
        lockDuration: lockMs,
        stalledInterval: Math.max(1000, lockMs / 3),
        // Evictions are no failures: an epoch in the record bounds runs that keep killing their workers.
        maxStalledCount: 1000,
      });
    },
  };
}

/** A queue that says in time that it cannot be reached. */
class RingingQueue extends Queue<Payload> {
  readonly #where: string;

  constructor(where: string, name: string, options: QueueOptions) {
    super(name, options);
    this.#where = where;
  }

  override async add(...parts: Parameters<Queue<Payload>['add']>): ReturnType<Queue<Payload>['add']> {
    return await this.#inTime(super.add(...parts));
  }

  override async remove(...parts: Parameters<Queue<Payload>['remove']>): Promise<number> {
    return await this.#inTime(super.remove(...parts));
  }

  /** What is given up is still sent when Redis comes back: a ring may come late, and twice. */
  async #inTime<T>(answer: Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new DeadlineExceeded('Redis', ringMs)), ringMs);
    try {
      return await Promise.race([answer, late.promise]);
    } catch (cause) {
      throw new Unavailable(`Redis at ${this.#where} takes no ring: ${wordsOf(cause)}.`, { cause });
    } finally {
      clearTimeout(timer);
    }
  }
}
