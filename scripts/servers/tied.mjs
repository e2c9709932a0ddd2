/** Ties processes to ours: they end when we do, also when we are killed. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Fault } from '../setup/fault.mjs';

/** @typedef {{ uid: number, gid: number }} User */

const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((file) => existsSync(file));

/** Whether the kernel ends {@link tiedToUs} commands by itself (PR_SET_PDEATHSIG, Linux only). */
export const kernelTies = setpriv !== undefined;

/**
 * The command under which the kernel signals a program at our death, where it can.
 * @param {string} command
 * @param {string[]} args
 * @param {{ signal: NodeJS.Signals, user?: User }} options `user`: whom it runs as
 * @returns {[string, string[]]}
 */
export function tiedToUs(command, args, { signal, user }) {
  const drop = user === undefined ? [] : ['--reuid', String(user.uid), '--regid', String(user.gid), '--clear-groups'];
  if (setpriv !== undefined) return [setpriv, [...drop, '--pdeathsig', signal.slice(3), '--', command, ...args]];
  if (user !== undefined) throw new Fault('setpriv (package util-linux) is missing: a server must not run as root.');
  return [command, args];
}

/** @typedef {{ code: number | null, signal: NodeJS.Signals | null, error?: Error }} Ending `error`: it never began */

/**
 * How a child ends. It tells nothing about what it wrote.
 * @param {import('node:child_process').ChildProcess} child
 * @returns {Promise<Ending>}
 */
export function endOf(child) {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', (error) => resolve({ code: null, signal: null, error }));
  });
}

/** Arguments: signal, pid, folder or nothing. */
const guardian = `
cat >/dev/null
kill -s "$1" "$2" 2>/dev/null
for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$2" 2>/dev/null || break; sleep 0.2; done
kill -s KILL "$2" 2>/dev/null
[ -z "$3" ] || rm -rf -- "$3"`;

/**
 * Starts a shell that reads a pipe which only we hold open: when we are gone it ends a process and removes its folder.
 * @param {{ pid: number, signal: NodeJS.Signals, folder?: string }} charge
 * @returns {() => void} dismisses the shell; call it as soon as the process has ended, whose number others may get
 */
export function startGuardian({ pid, signal, folder = '' }) {
  const args = ['-c', guardian, 'argosy-guardian', signal.slice(3), String(pid), folder];
  const shell = spawn('/bin/sh', args, { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  shell.unref();
  shell.stdin.unref();
  return () => {
    try {
      if (shell.pid !== undefined) process.kill(-shell.pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
  };
}
