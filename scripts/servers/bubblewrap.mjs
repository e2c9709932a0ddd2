/** The program that gives a process a root of its own, in tests of what images hold. */
import { spawnSync } from 'node:child_process';
import { aptInstall, canInstall } from './apt.mjs';

const works = () =>
  spawnSync('bwrap', ['--ro-bind', '/', '/', 'true'], { stdio: 'ignore', timeout: 20_000 }).status === 0;

/** @returns {Promise<string | null>} what is missing and what to do, or null */
export async function provideBubblewrap() {
  if (works()) return null;
  if (canInstall()) await aptInstall(['bubblewrap']);
  return works() ? null : 'bubblewrap is missing or may not be used here: apt-get install bubblewrap';
}
