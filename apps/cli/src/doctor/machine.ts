/** What a machine has that Argosy uses. */
import { execFile } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { messageOf } from '#errors';
import { type Config, openSigningKey } from '#platform';
import { findChromium } from '#tools';
import { type Check, type Finding, fail, ok, warn } from './finding.ts';

/** Less free space than this is worth a word; with less than the other, writing will soon fail. */
const scarceBytes = 2 * 2 ** 30;
const leastBytes = 200 * 2 ** 20;

export function machineChecks(config: Config): Check[] {
  return [
    { about: 'node', look: async () => [nodeFinding(process.versions.node)] },
    { about: 'disk', look: async () => [diskFinding(await freeBytes(config.ARGOSY_DATA_DIR), config.ARGOSY_DATA_DIR)] },
    { about: 'signing key', look: async () => [await signingFinding(config)] },
    { about: 'sandbox', look: async (signal) => [await sandboxFinding(signal)] },
    { about: 'chromium', look: async (signal) => [await chromiumFinding(config.ARGOSY_BROWSER, signal)] },
    { about: 'gpu', look: async (signal) => [await gpuFinding(signal)] },
  ];
}

export function nodeFinding(version: string): Finding {
  const major = Number(version.split('.')[0]);
  if (major >= 24) return ok('node', version);
  return fail('node', `${version} is too old`, 'Install Node 24 or later; npm start brings it on Linux.');
}

/** @param free bytes that may be written */
export function diskFinding(free: number, folder: string): Finding {
  const says = `${(free / 2 ** 30).toFixed(1)} GiB free for ${folder}`;
  const advice = 'Make room there, or name another folder in ARGOSY_DATA_DIR.';
  if (free < leastBytes) return fail('disk', says, advice);
  return free < scarceBytes ? warn('disk', says, advice) : ok('disk', says);
}

/** The data directory need not be there yet: then what it will be made in counts. */
async function freeBytes(folder: string): Promise<number> {
  for (let at = resolve(folder); ; at = dirname(at)) {
    try {
      const { bavail, bsize } = await statfs(at);
      return bavail * bsize;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || at === dirname(at)) throw error;
    }
  }
}

async function signingFinding(config: Config): Promise<Finding> {
  const { ARGOSY_SIGNING_KEY_FILE: file } = config;
  if (file === undefined) return ok('signing key', 'made in the data directory at the first start');
  await openSigningKey(config);
  return ok('signing key', file);
}

/** The same rooms that a tool would be given: no network, no other processes, nothing to write. */
const rooms = ['--unshare-all', '--die-with-parent', '--ro-bind', '/', '/', 'true'];

async function sandboxFinding(signal: AbortSignal): Promise<Finding> {
  const tried = await said('bwrap', rooms, signal);
  if (tried.ok) return ok('sandbox', 'bubblewrap gives a process a room of its own');
  const says = tried.missing ? 'bubblewrap is not here' : `bubblewrap may not be used: ${tried.words}`;
  const advice = 'apt-get install bubblewrap, and allow user namespaces; no tool that needs it is offered without.';
  return warn('sandbox', says, advice);
}

async function chromiumFinding(choice: string, signal: AbortSignal): Promise<Finding> {
  const program = findChromium(choice);
  if (program === null) {
    if (choice !== 'auto') return ok('chromium', `not wanted here (ARGOSY_BROWSER=${choice})`);
    const says = 'there is none: pages that need scripts to show their text are read without';
    return warn('chromium', says, 'Install Chromium, or set ARGOSY_BROWSER=off to do without.');
  }
  const tried = await said(program, ['--version', '--no-sandbox'], signal);
  if (tried.ok) return ok('chromium', `${tried.words} (${program})`);
  return fail('chromium', `${program} does not start: ${tried.words}`, 'Mend it, or set ARGOSY_BROWSER=off.');
}

async function gpuFinding(signal: AbortSignal): Promise<Finding> {
  const query = ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader'];
  const tried = await said('nvidia-smi', query, signal);
  if (tried.ok) return ok('gpu', tried.words.replaceAll('\n', '; '));
  if (tried.missing) return ok('gpu', 'none; only inference groups need any');
  return warn('gpu', `nvidia-smi fails: ${tried.words}`, 'Mend the driver if this machine shall serve a model.');
}

interface Said {
  readonly ok: boolean;
  /** The program is not there. */
  readonly missing: boolean;
  readonly words: string;
}

/** What a program prints. */
async function said(program: string, args: readonly string[], signal: AbortSignal): Promise<Said> {
  return await new Promise((tell) => {
    execFile(program, [...args], { signal, maxBuffer: 100_000 }, (error, stdout, stderr) => {
      const missing = error !== null && (error as { readonly code?: unknown }).code === 'ENOENT';
      const words = error === null ? stdout : stderr.trim() || messageOf(error);
      tell({ ok: error === null, missing, words: words.trim().slice(0, 500) });
    });
  });
}
