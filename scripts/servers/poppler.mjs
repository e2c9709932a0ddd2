/** Poppler's programs, which tests read and draw our PDFs with: a reader that is not ours. */
import { spawnSync } from 'node:child_process';
import { say } from '../setup/fault.mjs';
import { aptInstall, canInstall } from './apt.mjs';

/** `pdfinfo -url` came with it. */
const oldest = 21.11;

/** @returns {boolean} whether they are on PATH, and no older than what the tests ask of them */
export function hasPoppler() {
  const { status, stderr } = spawnSync('pdfinfo', ['-v'], { encoding: 'utf8', timeout: 20_000 });
  return status === 0 && Number(/version (\d+\.\d+)/.exec(stderr)?.[1]) >= oldest;
}

/**
 * Sees to it that they are there: as root on Debian they are installed where they are missing (200 KB and libraries).
 * Where that cannot be, the tests that need them are skipped by name, so this never fails for want of them.
 */
export async function providePoppler() {
  if (hasPoppler() || !canInstall()) return;
  try {
    await aptInstall(['poppler-utils']);
  } catch (error) {
    if (error.exitCode > 128) throw error; // Ctrl-C
    say(`poppler-utils cannot be installed: ${String(error.message).split('\n')[0]}`);
  }
}
