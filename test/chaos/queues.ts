/** The queues behind the doorbell, as somebody with access to Redis can see and spoil them. */
import { randomUUID } from 'node:crypto';
import { type Job, Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { toolKinds } from '#domain';

const bells = ['runs', 'calls', ...toolKinds.map((kind) => `calls-${kind}`)];

/** Whatever is not finished. */
const open = ['waiting', 'active', 'delayed', 'prioritized', 'waiting-children'] as const;

export class Queues {
  readonly #redis: Redis;
  readonly #queues: readonly Queue[];
  /** Rings that were copied, and copies. */
  readonly #doubled = new Set<string>();

  constructor(redisUrl: string) {
    this.#redis = new Redis(redisUrl, { maxRetriesPerRequest: null });
    this.#redis.on('error', () => undefined);
    // The prefix is the fleet's; the doorbell opens its queues by these names.
    this.#queues = bells.map((name) => new Queue(name, { connection: this.#redis, prefix: '{argosy}' }));
    for (const queue of this.#queues) queue.on('error', () => undefined);
  }

  /** Rings that nobody has answered to the end. */
  async unanswered(): Promise<number> {
    const counts = await Promise.all(this.#queues.map((queue) => queue.getJobCounts(...open)));
    return counts.flatMap((count) => Object.values(count)).reduce((sum, count) => sum + count, 0);
  }

  /** Lets nobody hear a ring until {@link resume}; rings that come meanwhile wait. */
  async pause(): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.pause()));
  }

  async resume(): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.resume()));
  }

  /** Loses every ring that waits. @returns how many */
  async lose(): Promise<number> {
    const waiting = await this.#jobs();
    await Promise.all(this.#queues.map((queue) => queue.drain(true)));
    return waiting.length;
  }

  /** Rings so many times more for every ring that has not been doubled yet. @returns how many came to it */
  async double(times: number): Promise<number> {
    const jobs = (await this.#jobs()).filter(({ id = '' }) => !this.#doubled.has(id));
    for (const { id = '' } of jobs) this.#doubled.add(id);
    const copies = jobs.flatMap((job) => Array.from({ length: times }, () => job));
    await Promise.all(
      copies.map(async ({ name, queueName, data }) => {
        const jobId = randomUUID();
        this.#doubled.add(jobId);
        await this.#queues.find((queue) => queue.name === queueName)?.add(name, data, { jobId });
      }),
    );
    return copies.length;
  }

  /** Everything is gone, as after a mistake or a restart without a file. */
  async flush(): Promise<void> {
    await this.#redis.flushall();
  }

  async close(): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.close()));
    this.#redis.disconnect();
  }

  async #jobs(): Promise<Job[]> {
    const jobs = await Promise.all(this.#queues.map((queue) => queue.getJobs([...open])));
    // One may have gone while they were listed.
    return jobs.flat().filter((job) => job?.data !== undefined);
  }
}
