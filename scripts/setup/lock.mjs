import { appendFileSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault, say } from './fault.mjs';
import { inRoot } from './paths.mjs';

const lockFile = inRoot('.argosy', 'setup.lock');
const waitLimitMs = 20 * 60_000;
const pollMs = 200;

/**
 * Runs `work` while no other run of this clone installs or builds. The lock is a file with a line for each process that
 * holds it; when all of them have died it is taken over.
 */
export async function withSetupLock(work) {
  mkdirSync(inRoot('.argosy'), { recursive: true });
  const mine = lineOf(process.pid);
  const draft = `${lockFile}.${process.pid}`;
  writeFileSync(draft, mine);
  try {
    await acquire(draft);
  } finally {
    rmSync(draft, { force: true });
  }
  try {
    return await work();
  } finally {
    if (read(lockFile)?.startsWith(mine)) rmSync(lockFile, { force: true });
  }
}

/** Keeps the lock for a child at work too: npm goes on when the run that started it is killed. */
export function alsoHeldBy(pid) {
  appendFileSync(lockFile, lineOf(pid));
}

async function acquire(draft) {
  let told = false;
  for (let waitedMs = 0; waitedMs < waitLimitMs; ) {
    if (tryLink(draft, lockFile)) return;
    const holder = read(lockFile);
    if (holder === undefined) continue;
    if (!isAlive(holder)) {
      discard(holder);
      continue;
    }
    if (!told) say(`waiting for process ${holder.split(' ')[0]}, which is installing or building in this folder ...`);
    told = true;
    await sleep(pollMs);
    waitedMs += pollMs;
  }
  throw new Fault(`another run still holds ${lockFile} after ${waitLimitMs / 60_000} minutes: end it and start again.`);
}

/** A link is made whole or not at all, so a lock is never seen without its holder's name. */
function tryLink(from, to) {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes a dead holder's lock; gives it back when somebody else was faster and the lock is already theirs. */
function discard(holder) {
  const aside = `${lockFile}.dead.${process.pid}`;
  try {
    renameSync(lockFile, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  if (read(aside) !== holder) tryLink(aside, lockFile);
  rmSync(aside, { force: true });
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @param {string} holder the text of a lock */
function isAlive(holder) {
  return holder
    .trimEnd()
    .split('\n')
    .some((line) => {
      const [pid, start] = line.split(' ');
      return exists(Number(pid)) && startOf(pid) === start;
    });
}

function exists(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

const lineOf = (pid) => `${pid} ${startOf(pid)}\n`;

/** Clock ticks from boot to the start of a process: tells a holder from a later process with its number. Linux only. */
function startOf(pid) {
  if (process.platform !== 'linux') return '-';
  const stat = read(`/proc/${pid}/stat`) ?? '';
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '-';
}
