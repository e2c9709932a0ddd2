/** A server of S3's protocol that is not ours (Apache-2.0), for tests: built from Go's module proxy, once a machine. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { announced } from '../setup/fault.mjs';
import { cacheFolder } from './helm.mjs';
import { freePort, PrivateServer, privateFolder } from './private-server.mjs';

const version = 'v1.8.0';
const module = `github.com/versity/versitygw/cmd/versitygw@${version}`;
const binary = () => path.join(cacheFolder(), 'versitygw', `versitygw-${version}`);

/** @returns {boolean} whether one can be started here */
export function hasVersitygw() {
  return existsSync(binary());
}

/** Sees to it that there is one. @returns {Promise<string | null>} what is missing and what to do, or null */
export async function provideVersitygw() {
  if (hasVersitygw()) return null;
  if (spawnSync('go', ['version'], { stdio: 'ignore', timeout: 60_000 }).status !== 0)
    return 'Go is missing (1.26 or later): install it from go.dev';
  const folder = path.dirname(binary());
  mkdirSync(folder, { recursive: true });
  const staging = mkdtempSync(path.join(folder, 'build-'));
  try {
    await announced(`building versitygw ${version}, an S3 server for tests (once, some minutes)`, async () => {
      const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-trimpath', GOBIN: staging };
      execFileSync('go', ['install', module], { cwd: staging, env, stdio: ['ignore', 'inherit', 'inherit'] });
      renameSync(path.join(staging, 'versitygw'), binary());
    });
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  return null;
}

/**
 * Starts one with an empty bucket. Only where {@link hasVersitygw}.
 * @param {{ accessKeyId: string, secretAccessKey: string, region: string, bucket: string }} keys
 * @returns {Promise<PrivateServer>}
 */
export async function startVersitygw({ accessKeyId, secretAccessKey, region, bucket }) {
  const folder = privateFolder('versitygw');
  const [data, notes] = ['data', 'notes'].map((name) => path.join(folder, name));
  mkdirSync(path.join(data, bucket), { recursive: true });
  mkdirSync(notes);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = new PrivateServer({
    name: 'versitygw',
    url,
    folder,
    command: binary(),
    args: [
      ...['--port', `127.0.0.1:${port}`, '--access', accessKeyId, '--secret', secretAccessKey, '--region', region],
      // Beside the data, as not every file system takes attributes.
      ...['--quiet', '--keep-alive', 'posix', '--sidecar', notes, data],
    ],
    user: undefined,
    quick: 'SIGKILL',
    // biome-ignore lint/style/noRestrictedGlobals: a probe on this machine, on behalf of no run
    answers: async () => (await fetch(url, { signal: AbortSignal.timeout(2000) })).status < 500,
  });
  await server.start();
  return server;
}
