import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Stage } from './fleet-stage.ts';

const dist = resolve(import.meta.dirname, '../../dist');

/** A process of the fleet as it is in service. */
export class RoleProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** @returns when it says that it is ready */
  static async start(
    role: 'agent-worker' | 'dispatcher',
    { databaseUrl, redisUrl }: Stage,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<RoleProcess> {
    const PATH = process.env['PATH'] ?? '';
    const env = { PATH, ARGOSY_DATABASE_URL: databaseUrl, ARGOSY_REDIS_URL: redisUrl, ...settings };
    const main = join(dist, 'apps', role, 'src', 'main.js');
    const child = spawn(process.execPath, [...process.execArgv, main], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    const words: string[] = [];
    const ready = Promise.withResolvers<void>();
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.includes('"event":"ready"')) ready.resolve();
      else words.push(line);
    });
    child.once('exit', (code) => ready.reject(new Error(`${role} ended with ${code}.\n${words.join('\n')}`)));
    await ready.promise;
    return new RoleProcess(child);
  }

  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#child.kill(signal);
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}
