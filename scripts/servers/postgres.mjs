import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { Fault } from '../setup/fault.mjs';
import { freePort, ordinaryUser, PrivateServer, privateFolder } from './private-server.mjs';
import { provide } from './programs.mjs';

const run = promisify(execFile);

/** Writes need not reach the disk: the data outlives a killed server, though not a machine without power. */
const forTests = { fsync: 'off', full_page_writes: 'off' };

/**
 * Starts a PostgreSQL of our own on a new data directory (1 to 3 s).
 * @param {{ tests?: boolean, connections?: number }} [options] `tests`: its data need not outlive a power cut
 * @returns {Promise<PrivateServer>}
 */
export async function startPostgres({ tests = false, connections = 200 } = {}) {
  const bin = await provide('postgres');
  // initdb and postgres refuse to run as root.
  const user = ordinaryUser(['postgres', 'nobody']);
  const folder = privateFolder('postgres', user);
  const port = await freePort();
  const data = path.join(folder, 'data');
  const password = randomBytes(16).toString('hex');
  await createData(bin, data, password, user);
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: folder,
    max_connections: connections,
    timezone: 'UTC',
    ...(tests ? forTests : {}),
  };
  const server = new PrivateServer({
    name: 'PostgreSQL',
    url: `postgres://argosy:${password}@127.0.0.1:${port}/postgres`,
    folder,
    command: path.join(bin, 'postgres'),
    args: ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    user,
    quick: 'SIGQUIT',
    answers: async (pid) => isReady(data, pid),
  });
  await server.start();
  return server;
}

async function createData(bin, data, password, user) {
  const passwordFile = `${data}.password`;
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (user !== undefined) chownSync(passwordFile, user.uid, user.gid);
  const args = ['-D', data, '-U', 'argosy', `--pwfile=${passwordFile}`, '--auth=scram-sha-256'];
  const options = {
    ...user,
    env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' },
    cwd: path.dirname(data),
    timeout: 60_000,
  };
  try {
    await run(path.join(bin, 'initdb'), [...args, '--encoding=UTF8', '--locale=C', '--no-sync'], options);
  } catch (error) {
    throw new Fault(`PostgreSQL's data directory could not be made.\n${String(error.stderr || error.message).trim()}`);
  }
  rmSync(passwordFile);
}

/** The server writes its state into the file of its pid: line 1 the pid, line 8 the state. */
function isReady(data, pid) {
  const lines = readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n');
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}
