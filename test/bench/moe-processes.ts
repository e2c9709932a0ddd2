import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export type Wire = 'unix' | 'tcp';

/** Shards in processes of their own. */
export class ShardProcesses {
  readonly addresses: readonly string[];
  readonly #children: readonly ChildProcess[];
  readonly #folder: string;

  private constructor(addresses: readonly string[], children: readonly ChildProcess[], folder: string) {
    this.addresses = addresses;
    this.#children = children;
    this.#folder = folder;
  }

  /** @param spec what moe-shard.ts is told to run */
  static async start(spec: string, count: number, wire: Wire): Promise<ShardProcesses> {
    const folder = await mkdtemp(join(tmpdir(), 'argosy-bench-moe-'));
    const children: ChildProcess[] = [];
    const addresses = await Promise.all(
      Array.from({ length: count }, async (_, shard) => {
        const listen = wire === 'unix' ? `unix:${folder}/${shard}` : '127.0.0.1:0';
        const script = join(import.meta.dirname, 'moe-shard.ts');
        const child = spawn(process.execPath, [...process.execArgv, script, spec, listen], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        children.push(child);
        const lines = createInterface(child.stdout);
        const ended = once(child, 'exit').then(([code]) => {
          throw new Error(`a shard ended with ${code}`);
        });
        const [port] = await Promise.race([once(lines, 'line'), ended]);
        return wire === 'unix' ? listen : `127.0.0.1:${port}`;
      }),
    );
    return new ShardProcesses(addresses, children, folder);
  }

  async stop(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}
