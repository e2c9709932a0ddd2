/** Starts shards as processes of their own and ends those that are left after each test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach } from '@jest/globals';
import type { ShardSaying } from './shard-process.ts';

const script = join(import.meta.dirname, 'shard-process.ts');

export interface ShardProcess {
  /** What a coordinator calls it by. */
  readonly address: string;
  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void;
  /** Done when the process is gone. */
  readonly gone: Promise<unknown>;
  /** Another process in its place, at the same address. */
  again(): Promise<ShardProcess>;
}

/** To be called where the tests of a file are registered. @returns starts shards of the model in a folder */
export function useShardProcesses(): (folder: string, count: number) => Promise<ShardProcess[]> {
  const children: ChildProcess[] = [];
  const sockets: string[] = [];
  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
    await Promise.all(sockets.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
  });
  const start = async (folder: string, socket: string): Promise<ShardProcess> => {
    const args = ['--conditions=source', '--no-warnings', script, folder, `unix:${socket}`];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const [line] = (await once(createInterface(child.stdout), 'line')) as [ShardSaying]; // its first
    if (!line.startsWith('listening ')) throw new Error(`the shard said ${line}`);
    return {
      address: `unix:${socket}`,
      signal: (name) => child.kill(name),
      gone: child.exitCode === null && child.signalCode === null ? once(child, 'exit') : Promise.resolve(),
      again: () => {
        // What was killed leaves its socket behind.
        rmSync(socket, { force: true });
        return start(folder, socket);
      },
    };
  };
  return async (folder, count) => {
    const place = await mkdtemp(join(tmpdir(), 'argosy-shards-'));
    sockets.push(place);
    return await Promise.all(Array.from({ length: count }, (_, shard) => start(folder, join(place, `${shard}.sock`))));
  };
}
