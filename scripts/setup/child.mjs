import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { Fault } from './fault.mjs';

const forwarded = ['SIGTERM', 'SIGINT', 'SIGHUP'];

const stdio = {
  show: 'inherit',
  collect: ['ignore', 'pipe', 'pipe'],
  'stderr-only': ['inherit', 'ignore', 'inherit'],
};

/**
 * Runs one program to its end and passes our signals on to it.
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string, output?: 'show' | 'collect' | 'stderr-only', deadlineMs?: number,
 *   onStart?: (pid: number) => void }} options
 *   `output`: where its stdout and stderr go, to ours unless told; `deadlineMs`: kill it after so long
 * @returns {Promise<{ exitCode: number, output: string, interrupted?: string }>} exitCode is 128+n
 *   after signal n; `interrupted`: the signal that we were sent meanwhile
 */
export function runChild(command, args, options = {}) {
  const { env = process.env, cwd, output: destination = 'show', deadlineMs, onStart } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, cwd, stdio: stdio[destination] });
    if (child.pid !== undefined) onStart?.(child.pid);
    let output = '';
    let interrupted;
    const collect = (chunk) => {
      output += chunk;
    };
    child.stdout?.setEncoding('utf8').on('data', collect);
    child.stderr?.setEncoding('utf8').on('data', collect);
    const forward = (signal) => {
      interrupted = signal;
      if (signal !== 'SIGINT' || !inForeground()) child.kill(signal);
    };
    for (const signal of forwarded) process.on(signal, forward);
    const timer = deadlineMs && setTimeout(() => child.kill('SIGKILL'), deadlineMs);
    const release = () => {
      clearTimeout(timer);
      for (const signal of forwarded) process.off(signal, forward);
    };
    child.once('error', (error) => {
      release();
      reject(error);
    });
    child.once('close', (code, signal) => {
      release();
      resolve({ exitCode: code ?? 128 + constants.signals[signal], output, interrupted });
    });
  });
}

/** Ends the task when the user ended one of its steps. */
export function throwIfInterrupted(result) {
  if (result.interrupted) throw new Fault('interrupted.', 128 + constants.signals[result.interrupted]);
}

/**
 * Whether a terminal's Ctrl-C reaches us: then it reaches the child as well, which is in the same process group, and a
 * second SIGINT from here would look to it like a second Ctrl-C.
 */
function inForeground() {
  if (process.platform !== 'linux') return process.stdin.isTTY === true;
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const [, , group, , , foregroundGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return group === foregroundGroup;
}
