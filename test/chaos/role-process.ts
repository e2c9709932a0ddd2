/** One process of the fleet, run from the build as a container would, with a fault proxy before each of its stores. */
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { within } from '../support/argosy.ts';
import { FaultProxy } from './fault-proxy.ts';

export type Role = 'gateway' | 'dispatcher' | 'agent-worker' | 'tool-worker' | 'egress';

export interface Launch {
  readonly role: Role;
  /** Tells it from the others of its role. */
  readonly name: string;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly env: Readonly<Record<string, string>>;
  /** Its current folder; its log goes there, too. */
  readonly folder: string;
}

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A line of its log. */
export interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly [field: string]: unknown;
}

const root = join(import.meta.dirname, '..', '..');

/** Where the build under test lies; the tests of the tests name a broken copy. */
const dist = process.env['CHAOS_DIST'] ?? join(root, 'dist');

export class RoleProcess {
  readonly role: Role;
  readonly name: string;
  readonly postgres: FaultProxy;
  readonly redis: FaultProxy;
  readonly log: LogLine[] = [];
  readonly ended: Promise<End>;
  readonly #child: ChildProcess;
  readonly #folder: string;
  #over = false;
  readonly #hearers = new Set<(line: LogLine) => void>();

  private constructor({ role, name, folder }: Launch, child: ChildProcess, proxies: readonly [FaultProxy, FaultProxy]) {
    this.role = role;
    this.name = name;
    [this.postgres, this.redis] = proxies;
    this.#child = child;
    this.#folder = join(folder, name);
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        this.#over = true;
        resolve({ code, signal });
      });
    });
    if (child.stderr !== null) createInterface({ input: child.stderr }).on('line', (text) => this.#hear(text));
  }

  /** Starts it; {@link ready} tells when it works. */
  static async start(launch: Launch): Promise<RoleProcess> {
    const { role, name, databaseUrl, redisUrl, folder } = launch;
    const proxies = [
      await FaultProxy.start(databaseUrl, 'postgres'),
      await FaultProxy.start(redisUrl, 'redis'),
    ] as const;
    const cwd = join(folder, name);
    mkdirSync(cwd, { recursive: true });
    const { PATH = '', HOME = '' } = process.env;
    const env = {
      PATH,
      HOME,
      ARGOSY_DATABASE_URL: proxies[0].through(databaseUrl),
      ARGOSY_REDIS_URL: proxies[1].through(redisUrl),
      ...launch.env,
    };
    const program = join(dist, 'apps', role, 'src', 'main.js');
    const out = openSync(join(cwd, 'stdout'), 'a');
    const args = ['--disable-warning=ExperimentalWarning', program];
    const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', out, 'pipe'] });
    closeSync(out);
    return new RoleProcess(launch, child, proxies);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isReady(): boolean {
    return this.log.some(({ event }) => event === 'ready');
  }

  get over(): boolean {
    return this.#over;
  }

  /** Its own words, for whoever reads a failure. */
  get lastWords(): string {
    return this.log
      .slice(-15)
      .map((line) => JSON.stringify(line))
      .join('\n');
  }

  /** @returns the port that it says it serves on */
  async ready(): Promise<number> {
    const { port } = await this.said('ready');
    return Number(port);
  }

  /** Waits for a line of its log, also one that is there already. */
  async said(event: string): Promise<LogLine> {
    const known = this.log.find((line) => line.event === event);
    if (known !== undefined) return known;
    const said = new Promise<LogLine>((resolve, reject) => {
      this.#hearers.add((line) => {
        if (line.event === event) resolve(line);
      });
      this.ended.then(
        (end) =>
          reject(new Error(`${this.name} ended (${JSON.stringify(end)}) before it said ${event}:\n${this.lastWords}`)),
        reject,
      );
    });
    return await within(said, () => `${this.name} has not said ${event}:\n${this.lastWords}`);
  }

  /** Takes effect before anything else happens in this process. */
  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it without a warning, stopped or not. */
  async end(): Promise<void> {
    this.kill('SIGKILL');
    await this.ended;
    await this.closeProxies();
  }

  async closeProxies(): Promise<void> {
    await Promise.all([this.postgres.close(), this.redis.close()]);
  }

  #hear(text: string): void {
    appendFileSync(join(this.#folder, 'log'), `${text}\n`);
    const line = parseLine(text);
    this.log.push(line);
    for (const hear of this.#hearers) hear(line);
  }
}

/** What is no log line is a stack trace, or a warning of Node. */
function parseLine(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return { level: 'error', event: 'not a log line', text };
  }
}
