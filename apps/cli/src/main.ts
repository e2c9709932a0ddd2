#!/usr/bin/env node
import { constants } from 'node:os';
import { ArgosyError, InvalidInput, messageOf, Unavailable } from '#errors';
import { describeConfig, readConfig } from '#platform';
import { runCommand } from './commands.ts';
import { plainProgress, silentProgress, terminalProgress } from './progress.ts';
import { exitCodes } from './research.ts';

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

function progressFor(args: readonly string[]) {
  if (args.includes('--quiet')) return silentProgress;
  return process.stderr.isTTY ? terminalProgress(process.stderr) : plainProgress(process.stderr, () => performance.now());
}

function exitCodeOf(error: unknown): number {
  if (interrupt.signal.aborted) return exitCodes.interrupted;
  if (error instanceof InvalidInput) return exitCodes.usage;
  if (error instanceof Unavailable) return exitCodes.unreachable;
  return exitCodes.failed;
}

const args = process.argv.slice(2);
const progress = progressFor(args);
try {
  const { ARGOSY_URL, ARGOSY_API_KEY, ...env } = process.env;
  const config = readConfig(env);
  process.exitCode = await runCommand(args, {
    config,
    describedConfig: describeConfig(config),
    remote: ARGOSY_URL ? { url: ARGOSY_URL, ...(ARGOSY_API_KEY ? { apiKey: ARGOSY_API_KEY } : {}) } : null,
    terminal: {
      progress,
      print: (text) => void process.stdout.write(text),
      interrupted: interrupt.signal,
    },
    writeLog: (line) => void process.stderr.write(line),
  });
} catch (error) {
  progress.end();
  const bug = !(error instanceof ArgosyError);
  process.stderr.write(`argosy: ${messageOf(error)}\n`);
  if (bug && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  process.exitCode = exitCodeOf(error);
}
