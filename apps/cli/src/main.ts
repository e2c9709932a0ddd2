#!/usr/bin/env node
import { constants } from 'node:os';
import { ArgosyError, InvalidInput, messageOf, Unavailable } from '#errors';
import { describeConfig, readableLine } from '#platform';
import { Refused } from './client.ts';
import { runCommand } from './commands.ts';
import { plainProgress, silentProgress, terminalProgress } from './progress.ts';
import { exitCodes } from './research.ts';
import { readSettings } from './settings.ts';

/** A second Ctrl-C this soon after the first is the same key press, arriving by another way. */
const debounceMs = 500;

const interrupt = new AbortController();
let interruptedAt = 0;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    const now = performance.now();
    if (interrupt.signal.aborted && now - interruptedAt > debounceMs) process.exit(128 + constants.signals[signal]);
    if (interrupt.signal.aborted) return;
    interruptedAt = now;
    interrupt.abort(signal);
  });
}

// A reader that has seen enough, such as `head`, is no fault: the research goes on, and its files are written.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

function progressFor(args: readonly string[]) {
  if (args.includes('--quiet')) return silentProgress;
  return process.stderr.isTTY
    ? terminalProgress(process.stderr)
    : plainProgress(process.stderr, () => performance.now());
}

function exitCodeOf(error: unknown): number {
  if (interrupt.signal.aborted) return exitCodes.interrupted;
  if (error instanceof InvalidInput) return exitCodes.usage;
  if (error instanceof Unavailable) return exitCodes.unreachable;
  if (error instanceof Refused) return refusedCode(error);
  return exitCodes.failed;
}

/** What a gateway finds wrong with a request is the caller's to mend, wherever the gateway runs. */
function refusedCode({ status, retryable }: Refused): number {
  if (retryable) return exitCodes.unreachable;
  return status < 500 ? exitCodes.usage : exitCodes.failed;
}

const args = process.argv.slice(2);
const progress = progressFor(args);
const terminal = {
  progress,
  print: (text: string) => void process.stdout.write(text),
  interrupted: interrupt.signal,
};

/** Of settings that cannot be read, the doctor tells; any other command ends with what is wrong with them. */
async function command(): Promise<number> {
  let settings: ReturnType<typeof readSettings>;
  try {
    settings = readSettings(process.env);
  } catch (error) {
    if (!(error instanceof InvalidInput) || args[0] !== 'doctor') throw error;
    const { refuseSettings } = await import('./doctor/doctor.ts');
    return refuseSettings(args.slice(1), error.problems, terminal);
  }
  const { config, remote } = settings;
  const writeLog = (line: string) => void process.stderr.write(process.stderr.isTTY ? readableLine(line) : line);
  const around = { config, describedConfig: describeConfig(config), remote, terminal, input: process.stdin };
  return await runCommand(args, { ...around, writeLog });
}

try {
  process.exitCode = await command();
} catch (error) {
  progress.end();
  const bug = !(error instanceof ArgosyError);
  process.stderr.write(`argosy: ${messageOf(error)}\n`);
  if (bug && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  process.exitCode = exitCodeOf(error);
}
