import { setTimeout as sleep } from 'node:timers/promises';
import { createPostgresBackend, type Job, type Queue, runMigrations, type Worker, withBackend } from 'bullmq';
import { InvalidState } from '#errors';
import { beginSpan, spanKeys, traceIdOf } from '#platform';
import type { PgliteDatabase } from '../embedded/pglite-database.ts';
import { PglitePool } from '../embedded/pglite-pool.ts';
import {
  type Answer,
  type Answering,
  type AnswerOptions,
  type Bell,
  type Doorbell,
  type FaultyRing,
  type Ring,
  RingUnreadable,
} from './doorbell.ts';

/** Jobs carry ids and nothing else. */
type Payload = Omit<Ring, 'bell' | 'delayMs'>;

/** Opens the queues and workers of one backend. */
export interface BullmqBackend {
  queue(name: Bell): Queue<Payload>;
  worker(name: Bell, process: (job: Job<Payload>) => Promise<void>, options: WorkerSettings): Worker<Payload>;
}

type WorkerSettings = Required<Pick<AnswerOptions, 'concurrency' | 'lockMs'>>;

/** A ring that was lost with its worker is given to another after about this long. */
const defaultLockMs = 15_000;

/** How long a worker without work may take to close. */
const farewellMs = 1_000;

/** A doorbell on BullMQ, whatever store it stands on. */
export class BullmqDoorbell implements Doorbell {
  readonly #backend: BullmqBackend;
  readonly #queues = new Map<Bell, Queue<Payload>>();
  readonly #answering = new Set<Answering>();
  #closed = false;

  constructor(backend: BullmqBackend) {
    this.#backend = backend;
  }

  async ring({ bell, delayMs, ...payload }: Ring): Promise<void> {
    const delay = delayMs === undefined ? {} : { delay: delayMs };
    await this.#queue(bell).add('look', payload, { jobId: payload.key, ...delay });
  }

  async withdraw(bell: Bell, key: string): Promise<void> {
    await this.#queue(bell).remove(key);
  }

  async answer(bell: Bell, answer: Answer, options: AnswerOptions): Promise<Answering> {
    this.#expectOpen();
    const answering = new BullmqAnswering(bell, answer, options, this.#backend);
    this.#answering.add(answering);
    await answering.ready();
    return answering;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#answering].map((answering) => answering.close({ abortAfterMs: 0 })));
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
  }

  #expectOpen(): void {
    if (this.#closed) throw new InvalidState('The doorbell is closed: this process is going down.');
  }

  #queue(bell: Bell): Queue<Payload> {
    this.#expectOpen();
    const known = this.#queues.get(bell);
    if (known !== undefined) return known;
    const queue = this.#backend.queue(bell);
    // A broken connection is retried inside; the reconciler rings again whatever got lost meanwhile.
    queue.on('error', () => undefined);
    this.#queues.set(bell, queue);
    return queue;
  }
}

/**
 * A worker of BullMQ fetches rings one after the other until it is full or the queue is empty, and only then begins the
 * first of them. Several narrow ones begin sooner than a wide one.
 */
const widest = 250;

class BullmqAnswering implements Answering {
  readonly #workers: readonly Worker<Payload>[];
  readonly #stop = new AbortController();
  readonly #answers = new Set<Promise<void>>();

  constructor(bell: Bell, answer: Answer, options: AnswerOptions, backend: BullmqBackend) {
    const process = async (job: Job<Payload>): Promise<void> => {
      const ring = toRing(bell, job.data);
      traceWait(ring, job);
      const answered = answer(ring, this.#stop.signal);
      this.#answers.add(answered);
      await answered.finally(() => this.#answers.delete(answered));
    };
    const { concurrency, lockMs = defaultLockMs, onFault } = options;
    const count = Math.ceil(concurrency / widest);
    this.#workers = Array.from({ length: count }, (_, i) => {
      const share = Math.floor((concurrency + i) / count);
      const worker = backend.worker(bell, process, { concurrency: share, lockMs });
      worker.on('failed', (job, error) => onFault?.(error, faultyRing(job?.data)));
      // A broken connection is mended inside.
      worker.on('error', () => undefined);
      return worker;
    });
  }

  async ready(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.waitUntilReady()));
  }

  async close(options: { readonly abortAfterMs?: number } = {}): Promise<void> {
    const { abortAfterMs } = options;
    const timer = abortAfterMs === undefined ? undefined : setTimeout(() => this.#stop.abort('closing'), abortAfterMs);
    try {
      const closed = Promise.all(this.#workers.map((worker) => worker.close()));
      await Promise.race([closed, this.#given()]);
      closed.catch(() => undefined);
    } finally {
      clearTimeout(timer);
    }
  }

  pause(paused: boolean): void {
    for (const worker of this.#workers) {
      // Resolves at once: it does not wait for what is being answered.
      if (paused) worker.pause(true).catch(() => undefined);
      else worker.resume().catch(() => undefined);
    }
  }

  /** A worker that closes takes no more rings, but without its store it would never say that it is closed. */
  async #given(): Promise<void> {
    while (this.#answers.size > 0) await Promise.allSettled(this.#answers);
    await sleep(farewellMs, undefined, { ref: false });
  }
}

/** How long a ring waited for somebody to answer it; clocks of two machines may differ by more than that. */
function traceWait({ bell, traceparent, runId, tenantId }: Ring, { timestamp, delay }: Job<Payload>): void {
  if (typeof traceparent !== 'string') return;
  const now = Date.now();
  const fields = {
    [spanKeys.messaging]: 'bullmq',
    [spanKeys.bell]: bell,
    [spanKeys.run]: runId,
    [spanKeys.tenant]: tenantId,
  };
  const startedAt = Math.min(now, timestamp + (delay ?? 0));
  beginSpan(`wait ${bell}`, { under: traceparent, kind: 'consumer', fields, startedAt }).end(now);
}

/** As much as can be read of it. */
function faultyRing(data: unknown): FaultyRing {
  const { runId, traceparent } = (data ?? {}) as Partial<Record<keyof Payload, unknown>>;
  return {
    ...(typeof runId === 'string' ? { runId } : {}),
    ...(typeof traceparent === 'string' ? { traceId: traceIdOf(traceparent) } : {}),
  };
}

/** A payload may be of another release, or of anyone who can write to the queue. @throws RingUnreadable */
function toRing(bell: Bell, data: unknown): Ring {
  const { tenantId, runId, callId, key } = (data ?? {}) as Partial<Record<keyof Payload, unknown>>;
  const texts = [tenantId, runId, key, ...(callId === undefined ? [] : [callId])];
  if (!texts.every((text) => typeof text === 'string')) throw new RingUnreadable(bell, data);
  return { ...(data as Payload), bell };
}

/** Finished rings are kept briefly, only so that a person can look at them. */
export const retention = {
  removeOnComplete: { age: 60, count: 1000 },
  removeOnFail: { age: 3600, count: 1000 },
};

/** BullMQ's PostgreSQL backend on the embedded database: no server, no socket. */
export async function embeddedBackend(database: PgliteDatabase): Promise<BullmqBackend> {
  const connection = new PglitePool(database.handle);
  const session = await connection.connect();
  await runMigrations(session);
  session.release();
  const { Queue, Worker } = withBackend(createPostgresBackend);
  return {
    queue: (name) =>
      new Queue<Payload>(name, { connection, defaultJobOptions: retention }) as unknown as Queue<Payload>,
    worker: (name, process, { concurrency, lockMs }) =>
      new Worker<Payload>(name, process, {
        connection,
        concurrency,
        lockDuration: lockMs,
        stalledInterval: Math.max(1000, lockMs / 3),
        // Evictions are no failures: an epoch in the record bounds runs that keep killing their workers.
        maxStalledCount: 1000,
      }) as unknown as Worker<Payload>,
  };
}
