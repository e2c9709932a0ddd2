/** Starts shards as processes of their own and ends those that are left after each test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { afterEach } from '@jest/globals';

const main = join(import.meta.dirname, '../../apps/inference/src/main.ts');
/** Longer than any test waits: a shard that is told to end does so because it was emptied. */
const graceMs = 600_000;
const env = {
  PATH: process.env['PATH'] ?? '',
  ARGOSY_INFERENCE_THREADS: '1',
  ARGOSY_GRACE_MS: String(graceMs),
};

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
    const options = ['--role', 'shard', '--checkpoint', folder, '--listen', `unix:${socket}`];
    const args = ['--conditions=source', '--no-warnings', main, ...options];
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    children.push(child);
    await ready(child.stderr);
    return {
      address: `unix:${socket}`,
      signal: (name) => child.kill(name),
      gone: child.exitCode === null && child.signalCode === null ? once(child, 'exit') : Promise.resolve(),
      again: () => start(folder, socket),
    };
  };
  return async (folder, count) => {
    const place = await mkdtemp(join(tmpdir(), 'argosy-shards-'));
    sockets.push(place);
    return await Promise.all(Array.from({ length: count }, (_, shard) => start(folder, join(place, `${shard}.sock`))));
  };
}

/** Until the process says that it is ready. @throws with what it said, when it ends before */
async function ready(stderr: Readable): Promise<void> {
  const said: string[] = [];
  for await (const line of createInterface({ input: stderr })) {
    if (line.includes('"event":"ready"')) {
      stderr.resume();
      return;
    }
    said.push(line);
  }
  throw new Error(`a shard did not start: ${said.join('\n')}`);
}
