import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runningFleet } from './fleet-file.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'argosy-cli-'));
const server = createServer((request, response) => response.writeHead(request.url === '/healthz' ? 200 : 404).end());
let url: string;

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A TCP server's address is never a pipe name.
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(dataDir, { recursive: true });
});

const write = (content: unknown): void => writeFileSync(join(dataDir, 'fleet.json'), JSON.stringify(content));

describe('runningFleet', () => {
  it('is none in a folder without the file', async () => {
    expect(await runningFleet(join(dataDir, 'none'))).toBeNull();
  });

  it('is the one that the file names while its process lives and its server answers', async () => {
    write({ url, pid: process.pid, key: 'arg_x', more: 'from a later version' });
    expect(await runningFleet(dataDir)).toEqual({ url, apiKey: 'arg_x' });
  });

  it('is none when its process is gone, even where another server has its port', async () => {
    const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
    await once(child, 'exit');
    write({ url, pid: child.pid });
    expect(await runningFleet(dataDir)).toBeNull();
  });

  it.each([{ url: 'file:///etc/passwd', pid: process.pid }, { url: 'not an address', pid: 1 }, { pid: 1 }, [], 'x'])(
    'is none for what no fleet wrote: %j',
    async (content) => {
      write(content);
      expect(await runningFleet(dataDir)).toBeNull();
    },
  );

  it('is waited for while its gateway is being started again', async () => {
    const late = createServer((_, response) => response.end());
    late.listen(0, '127.0.0.1');
    await once(late, 'listening');
    const { port } = late.address() as AddressInfo; // as above
    late.close();
    await once(late, 'close');
    write({ url: `http://127.0.0.1:${port}`, pid: process.pid });
    const found = runningFleet(dataDir);
    late.listen(port, '127.0.0.1');
    expect(await found).toEqual({ url: `http://127.0.0.1:${port}` });
    late.close();
  });
});
