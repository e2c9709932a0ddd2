import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { temporaryFolder } from '../../../../test/support/embedded.ts';
import { canOwnServers } from '../../../../test/support/servers.ts';

const root = join(import.meta.dirname, '../../../..');
const program = `
import { startServers } from './scripts/servers/servers.mjs';
const { redisUrl, databaseUrl } = await startServers({ tests: true });
console.log(JSON.stringify([redisUrl, databaseUrl]));
setInterval(() => {}, 1000);`;

async function accepts(url: string): Promise<boolean> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await pause(50);
}

const describeOwn = canOwnServers ? describe : describe.skip;

describeOwn('private servers (needs Redis and PostgreSQL on this machine)', () => {
  const folder = temporaryFolder();
  // PostgreSQL runs as another user when we are root, and must get through.
  chmodSync(folder, 0o755);

  it('end with the process that started them, their data with them, even when it is killed', async () => {
    const env = { ...process.env, TMPDIR: folder, ARGOSY_REDIS_URL: '', ARGOSY_DATABASE_URL: '' };
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(createInterface({ input: parent.stdout }), 'line');
    const urls = JSON.parse(String(line)) as string[];
    expect(await Promise.all(urls.map(accepts))).toEqual([true, true]);
    expect(readdirSync(folder)).toHaveLength(2);
    parent.kill('SIGKILL');
    await until(async () => !(await Promise.all(urls.map(accepts))).includes(true));
    await until(() => readdirSync(folder).length === 0);
  });
});
