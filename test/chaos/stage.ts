/** A whole fleet with servers of its own, and what a scenario does with it. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { ownPostgres, ownRedis, type PrivateServer } from '../support/servers.ts';
import { keepHistory } from './history.ts';
import { Queues } from './queues.ts';
import { type Role, RoleProcess } from './role-process.ts';
import { startWorld, type World } from './world.ts';

/** Short, so that the dead are missed soon; everything else that a fleet waits for follows from it. */
export const leaseMs = 2_000;
/** From SIGTERM to the end. */
export const graceMs = 5_000;

/** Between what we and the database call the same instant. */
const clockSlackMs = 5;

/** Where logs of the last run of the tests are kept. */
const logs = join(import.meta.dirname, '..', '..', '.argosy', 'test', 'chaos');

export class Stage {
  readonly postgres: PrivateServer;
  readonly redis: PrivateServer;
  readonly world: World;
  /** Where the gateway serves, over all of its restarts; 0 before its first start. */
  gatewayPort = 0;
  /** Every process that there was. */
  readonly processes: RoleProcess[] = [];
  /** By shape: the report of a run that nobody disturbed. */
  readonly reports = new Map<number, string>();
  readonly #folder: string;
  readonly #launched = new Map<Role, number>();

  private constructor(name: string, servers: readonly [PrivateServer, PrivateServer], world: World) {
    [this.postgres, this.redis] = servers;
    this.world = world;
    this.#folder = join(logs, name);
    rmSync(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { recursive: true });
  }

  /** Starts servers, world and a fleet of 1 gateway, 1 dispatcher, 2 agent workers and 2 tool workers. */
  static async open(name: string): Promise<Stage> {
    const servers = await Promise.all([ownPostgres(), ownRedis()]);
    const stage = new Stage(name, servers, await startWorld());
    // The first process makes the schema, on which the history is built.
    stage.gatewayPort = await (await stage.launch('gateway')).ready();
    await stage.withSql(keepHistory);
    const roles: Role[] = ['dispatcher', 'agent-worker', 'agent-worker', 'tool-worker', 'tool-worker'];
    await Promise.all(roles.map((role) => stage.start(role)));
    return stage;
  }

  /** Starts a process and waits until it is ready. */
  async start(role: Role): Promise<RoleProcess> {
    const process = await this.launch(role);
    await process.ready();
    return process;
  }

  /** Starts a process. @param env settings of its own */
  async launch(role: Role, env: Readonly<Record<string, string>> = {}): Promise<RoleProcess> {
    const number = (this.#launched.get(role) ?? 0) + 1;
    this.#launched.set(role, number);
    const process = await RoleProcess.start({
      role,
      name: `${role}-${number}`,
      databaseUrl: this.postgres.url,
      redisUrl: this.redis.url,
      folder: this.#folder,
      env: {
        ARGOSY_PORT: String(this.gatewayPort),
        ARGOSY_LEASE_MS: String(leaseMs),
        ARGOSY_GRACE_MS: String(graceMs),
        ARGOSY_AGENT_CONCURRENCY: '8',
        ARGOSY_TOOL_CONCURRENCY: '8',
        ARGOSY_MODEL: this.world.modelSpec,
        ARGOSY_MODEL_PRICES: '1,1,1',
        ARGOSY_EGRESS_ALLOW: this.world.siteAddress,
        ARGOSY_LOG_LEVEL: 'info',
        ...env,
      },
    });
    this.processes.push(process);
    return process;
  }

  /** Waits for those that are starting. */
  async allReady(): Promise<void> {
    await Promise.all(this.alive().map(async (process) => await process.ready()));
  }

  /** Those that run now, oldest first. */
  alive(role?: Role): RoleProcess[] {
    return this.processes.filter((process) => !process.over && (role === undefined || process.role === role));
  }

  /** The oldest that runs. */
  one(role: Role): RoleProcess {
    const [first] = this.alive(role);
    if (first === undefined) throw new Error(`no ${role} runs`);
    return first;
  }

  /** Whose connection to Postgres had this port at that moment. */
  processOf(port: number, at: Date): RoleProcess | undefined {
    const latest = at.getTime() + clockSlackMs;
    return this.processes
      .flatMap((process) => process.postgres.connections.map((connection) => ({ process, ...connection })))
      .filter((connection) => connection.port === port && connection.since <= latest)
      .toSorted((a, b) => b.since - a.since)[0]?.process;
  }

  /** A connection of the test's own, past every proxy. */
  async withSql<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const client = new Client({ connectionString: this.postgres.url });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }

  async rows<R extends object>(sql: string, values: unknown[] = []): Promise<R[]> {
    return await this.withSql(async (client) => (await client.query<R>(sql, values)).rows);
  }

  async withQueues<T>(work: (queues: Queues) => Promise<T>): Promise<T> {
    const queues = new Queues(this.redis.url);
    try {
      return await work(queues);
    } finally {
      await queues.close();
    }
  }

  /** Leaves something beside the logs for whoever looks into a failure. @returns the file */
  keep(name: string, what: unknown): string {
    const file = join(this.#folder, name);
    writeFileSync(file, JSON.stringify(what, null, 1));
    return file;
  }

  /** Ends everything. @returns what was not as it must be */
  async close(): Promise<string[]> {
    const faults: string[] = [];
    const leaving = this.alive();
    for (const process of leaving) process.kill('SIGTERM');
    for (const process of leaving) {
      const { code, signal } = await process.ended;
      if (code !== 0) faults.push(`${process.name} ended with ${code ?? signal} after SIGTERM:\n${process.lastWords}`);
    }
    const owners = await this.rows<{ worker_id: string }>(
      'SELECT worker_id FROM argosy.workers WHERE lease_until > now()',
    );
    faults.push(...owners.map(({ worker_id }) => `${worker_id} still has a lease`));
    await this.discard();
    return faults;
  }

  async discard(): Promise<void> {
    await Promise.all(this.alive().map((process) => process.end()));
    await Promise.all(this.processes.map((process) => process.closeProxies()));
    await Promise.all([this.postgres.stop(), this.redis.stop(), this.world.close()]);
  }
}

/** Lets a time pass that is the fault itself: a lease that runs out, a server that is away. */
export async function letPass(ms: number): Promise<void> {
  await pause(ms);
}
