/** The keys of a fleet: what its gateways check them with, and the first one, for the command line. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { Fault } from '../setup/fault.mjs';
import { inRoot } from '../setup/paths.mjs';

const run = promisify(execFile);
const createMs = 60_000;

/** Whoever runs a fleet on this machine may do everything. */
const scopes = ['research', 'corpora']
  .flatMap((what) => [`${what}:read`, `${what}:write`])
  .concat('usage:read', 'keys:admin', 'secrets:admin', 'fleet:admin');

/**
 * `ARGOSY_KEY_PEPPER`, which keys are checked with, and `ARGOSY_SECRETS_KEY`, which secrets of tenants are sealed with; else
 * those of the data directory, which are made where they are missing: a database of one's own keeps both for the next fleet.
 * @param {NodeJS.ProcessEnv} env
 * @param {string} dataDir held by this process
 */
export function keysFor(env, dataDir) {
  return {
    pepper: env.ARGOSY_KEY_PEPPER || keptIn(path.join(dataDir, 'key-pepper')),
    secretsKey: env.ARGOSY_SECRETS_KEY || keptIn(path.join(dataDir, 'secrets-key')),
  };
}

/** 32 bytes that only the user of this fleet can read. */
function keptIn(file) {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (error.code !== 'ENOENT') throw new Fault(`${file} cannot be read: ${error.message}`, 2);
  }
  const key = randomBytes(32).toString('base64');
  writeFileSync(file, `${key}\n`, { mode: 0o600, flag: 'wx' });
  return key;
}

/**
 * Makes the key of this fleet's command line, in place of the one that an earlier fleet on this data directory made.
 * @param {{ databaseUrl: string, pepper: string, dataDir: string }} fleet
 * @returns {Promise<string>}
 */
export async function firstKey({ databaseUrl, pepper, dataDir }) {
  const cli = inRoot('dist', 'apps', 'cli', 'src', 'main.js');
  const name = `npm run fleet in ${dataDir}`.slice(0, 100);
  const args = ['keys', 'create', '--tenant', 'local', '--name', name, '--replace', '--quiet'];
  args.push(...scopes.flatMap((scope) => ['--scope', scope]));
  const env = { ...process.env, ARGOSY_DATABASE_URL: databaseUrl, ARGOSY_KEY_PEPPER: pepper, ARGOSY_DATA_DIR: dataDir };
  try {
    const options = { env, timeout: createMs };
    const { stdout } = await run(process.execPath, ['--disable-warning=ExperimentalWarning', cli, ...args], options);
    return stdout.trim();
  } catch (error) {
    throw new Fault(`no key could be made for the command line: ${error.stderr || error.message}`);
  }
}
