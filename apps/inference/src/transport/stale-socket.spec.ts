import { lstat, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { removeStaleSocket } from './stale-socket.ts';

let folder: string;
let path: string;
let server: Server;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'argosy-socket-'));
  path = join(folder, 'shard.sock');
  server = createServer();
});
afterEach(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

async function listening(at: string): Promise<void> {
  await new Promise<void>((resolve) => server.listen(at, resolve));
}

describe('what stands where a socket is to be', () => {
  it('goes when it is a socket that nobody answers', async () => {
    const elsewhere = join(folder, 'elsewhere');
    await listening(elsewhere);
    // Moved away, it is not cleared up by the server that ends.
    await rename(elsewhere, path);
    await new Promise((resolve) => server.close(resolve));
    expect((await lstat(path)).isSocket()).toBe(true);
    await removeStaleSocket(`unix:${path}`);
    await expect(lstat(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('stays when somebody answers', async () => {
    await listening(path);
    await removeStaleSocket(`unix:${path}`);
    expect((await lstat(path)).isSocket()).toBe(true);
  });

  it('stays when it is a file, which refuses a connection as a dead socket does', async () => {
    await writeFile(path, 'precious');
    await removeStaleSocket(`unix:${path}`);
    expect(await readFile(path, 'utf8')).toBe('precious');
  });

  it('may be nothing, or an address of the network', async () => {
    await removeStaleSocket(`unix:${path}`);
    await removeStaleSocket('127.0.0.1:1');
  });
});
