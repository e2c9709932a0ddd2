import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { type PrivateServer, startPostgres, startRedis } from '../../scripts/servers/servers.mjs';
import type { WorkerFigures, WorkerOrder } from './fleet-load.ts';

/** A fresh database and an empty queue on servers that all rounds share. */
export interface Stage {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** A connection of the benchmark's own. */
  readonly client: Client;
}

/** The Redis (AOF every second) and the PostgreSQL (fsync on) of the fleet's benchmarks. */
export class Stages {
  readonly #redis: PrivateServer;
  readonly #postgres: PrivateServer;

  private constructor(redis: PrivateServer, postgres: PrivateServer) {
    this.#redis = redis;
    this.#postgres = postgres;
  }

  static async open(): Promise<Stages> {
    const redis = await startRedis();
    return new Stages(redis, await startPostgres());
  }

  async close(): Promise<void> {
    await this.#redis.stop();
    await this.#postgres.stop();
  }

  /** Does something on a stage of its own. Earlier stages' pages are on the disk by then. */
  async use<T>(work: (stage: Stage) => Promise<T>): Promise<T> {
    const name = `bench_${randomUUID().slice(0, 8)}`;
    const redis = new Redis(this.#redis.url);
    await redis.flushall();
    redis.disconnect();
    const admin = await connected(this.#postgres.url);
    await admin.query(`CREATE DATABASE ${name}`);
    await admin.query('CHECKPOINT');
    const url = new URL(this.#postgres.url);
    url.pathname = `/${name}`;
    const client = await connected(url.href);
    try {
      return await work({ databaseUrl: url.href, redisUrl: this.#redis.url, client });
    } finally {
      await client.end();
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await admin.end();
    }
  }
}

/** A connection of the benchmark's own. */
export async function connected(connectionString: string): Promise<Client> {
  const client = new Client({ connectionString });
  await client.connect();
  return client;
}

/** An agent worker in a process of its own. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #said: Promise<[WorkerFigures]>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#said = once(child, 'message') as Promise<[WorkerFigures]>;
  }

  /** @returns when it has joined the fleet */
  static async start(order: Partial<WorkerOrder>): Promise<WorkerProcess> {
    const whole: WorkerOrder = {
      databaseUrl: '',
      redisUrl: '',
      workerId: `bench-${randomUUID().slice(0, 8)}`,
      concurrency: 2000,
      sink: 'record',
      runs: 0,
      pace: { steps: 1, stepMs: 0 },
      weighAfter: 0,
      ...order,
    };
    const path = fileURLToPath(new URL('./fleet-worker.ts', import.meta.url));
    const execArgv = [...process.execArgv, ...(whole.weighAfter > 0 ? ['--expose-gc'] : [])];
    const child = fork(path, [JSON.stringify(whole)], { execArgv, stdio: ['ignore', 2, 2, 'ipc'] });
    const failed = once(child, 'exit').then(([code]) => {
      throw new Error(`A worker process ended with ${code} before it was ready.`);
    });
    await Promise.race([once(child, 'message'), failed]);
    failed.catch(() => undefined);
    return new WorkerProcess(child);
  }

  go(): void {
    this.#child.send('go');
  }

  /** @returns what it measured, when it has ended of itself */
  async ended(): Promise<WorkerFigures> {
    const [figures] = await this.#said;
    return figures;
  }

  async stop(): Promise<WorkerFigures> {
    this.#child.send('stop');
    return await this.ended();
  }
}
