import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { freePort, ordinaryUser, PrivateServer, privateFolder } from './private-server.mjs';
import { provide } from './programs.mjs';

/** What a queue needs: nothing is evicted, and what was acknowledged is in the append-only file. */
const durable = { appendonly: 'yes', appendfsync: 'everysec', save: '""', 'maxmemory-policy': 'noeviction' };

/**
 * Starts a Redis of our own.
 * @param {Record<string, string>} [settings] lines of redis.conf instead of ours
 * @returns {Promise<PrivateServer>}
 */
export async function startRedis(settings = {}) {
  const command = await provide('redis');
  const user = ordinaryUser(['redis', 'nobody']);
  const folder = privateFolder('redis', user);
  const port = await freePort();
  const password = randomBytes(16).toString('hex');
  const lines = { ...durable, bind: '127.0.0.1', port, dir: folder, requirepass: password, ...settings };
  const config = path.join(folder, 'redis.conf');
  writeFileSync(
    config,
    Object.entries(lines)
      .map(([name, value]) => `${name} ${value}\n`)
      .join(''),
    { mode: 0o600 },
  );
  if (user !== undefined) chownSync(config, user.uid, user.gid);
  const server = new PrivateServer({
    name: 'Redis',
    url: `redis://:${password}@127.0.0.1:${port}`,
    folder,
    command,
    args: [config],
    user,
    quick: 'SIGKILL',
    answers: () => answersPing(port, password),
  });
  await server.start();
  return server;
}

async function answersPing(port, password) {
  const socket = connect({ host: '127.0.0.1', port, timeout: 2000 });
  socket.once('timeout', () => socket.destroy(new Error('no answer')));
  try {
    await once(socket, 'connect');
    socket.write(`AUTH ${password}\r\nPING\r\n`);
    let answer = '';
    // While it loads its file it answers with -LOADING.
    for await (const chunk of socket) {
      answer += chunk;
      if (answer.split('\r\n').length > 2) break;
    }
    return answer.includes('+PONG');
  } finally {
    socket.destroy();
  }
}
