/** Where Redis and PostgreSQL are on this machine, and how they get there. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { Fault } from '../setup/fault.mjs';
import { aptInstall, canInstall } from './apt.mjs';

/** Our SQL is written for it. */
const oldestPostgres = 15;

/** @typedef {'redis' | 'postgres'} Store */

const stores = {
  redis: { find: findRedis, debianPackage: 'redis-server', variable: 'ARGOSY_REDIS_URL', name: 'Redis' },
  postgres: {
    find: findPostgres,
    debianPackage: 'postgresql',
    variable: 'ARGOSY_DATABASE_URL',
    name: `PostgreSQL ${oldestPostgres} or later`,
  },
};

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const onPath = () => (process.env.PATH ?? '').split(path.delimiter).filter((folder) => path.isAbsolute(folder));

function findRedis() {
  return [...onPath(), '/usr/bin', '/usr/local/bin', '/opt/homebrew/bin']
    .map((folder) => path.join(folder, 'redis-server'))
    .find(isProgram);
}

/** Debian's and Homebrew's server programs are not on PATH; the newest version comes first. */
function versionedFolders() {
  const under = (parent, pattern) =>
    existsSync(parent)
      ? readdirSync(parent)
          .filter((name) => pattern.test(name))
          .sort((a, b) => Number(b.replace(/\D/g, '')) - Number(a.replace(/\D/g, '')))
          .map((name) => path.join(parent, name, 'bin'))
      : [];
  return [
    ...under('/usr/lib/postgresql', /^\d+$/),
    ...under('/opt/homebrew/opt', /^postgresql@\d+$/),
    ...under('/usr/local/opt', /^postgresql@\d+$/),
  ];
}

/** @returns {string | undefined} the folder that holds `postgres` and `initdb` */
function findPostgres() {
  return [...onPath(), ...versionedFolders()].map(postgresIn).find((folder) => folder !== undefined);
}

function postgresIn(folder) {
  const program = path.join(folder, 'postgres');
  if (!isProgram(program)) return undefined;
  // A link on PATH may stand alone; initdb lies beside what it points to.
  const home = path.dirname(realpathSync(program));
  if (!isProgram(path.join(home, 'initdb'))) return undefined;
  return majorOf(path.join(home, 'postgres')) >= oldestPostgres ? home : undefined;
}

function majorOf(program) {
  try {
    return Number(/(\d+)/.exec(execFileSync(program, ['--version'], { encoding: 'utf8', timeout: 10_000 }))?.[1]);
  } catch {
    return Number.NaN;
  }
}

/**
 * Whether private servers of these kinds can be started here without installing anything.
 * @param {Store[]} wanted
 */
export function haveServers(wanted) {
  return wanted.every((store) => stores[store].find() !== undefined);
}

/**
 * Finds the programs of a store; as root on Debian it installs them where they are missing.
 * @param {Store} store
 * @returns {Promise<string>} `redis-server` itself, or the folder of PostgreSQL's programs
 * @throws {Fault} naming the ways out
 */
export async function provide(store) {
  const { find, debianPackage } = stores[store];
  const found = find();
  if (found !== undefined) return found;
  if (!canInstall()) throw missing(store);
  await aptInstall([debianPackage]);
  const installed = find();
  if (installed === undefined) throw missing(store);
  return installed;
}

function missing(store) {
  const { debianPackage, variable, name } = stores[store];
  const forbidden = process.env.ARGOSY_NO_INSTALL === '1' ? ' (ARGOSY_NO_INSTALL=1 forbids to install it here)' : '';
  return new Fault(
    [
      `${name} is not on this machine${forbidden}. One of these helps:`,
      `  install it: apt-get install ${debianPackage}, or brew install ${store === 'redis' ? 'redis' : 'postgresql@17'}`,
      `  name a server that runs: ${variable}=${store === 'redis' ? 'redis://127.0.0.1:6379' : 'postgres://user:password@127.0.0.1:5432/argosy'}`,
    ].join('\n'),
  );
}
