import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Fault } from '../setup/fault.mjs';
import { endOf, startGuardian, tiedToUs } from './tied.mjs';

const startMs = 60_000;
const stopMs = 10_000;

/** @typedef {import('./tied.mjs').User} User */

/**
 * The first of some users that is on this machine, when we are root and so should not run servers as ourselves.
 * @param {string[]} names
 * @returns {User | undefined}
 */
export function ordinaryUser(names) {
  if (process.getuid?.() !== 0) return undefined;
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  const entries = new Map(lines.map((line) => [line.split(':')[0], line.split(':')]));
  const entry = names.map((name) => entries.get(name)).find((found) => found !== undefined);
  if (entry === undefined) throw new Fault(`There is no user ${names.join(' or ')} here to run a server as: add one.`);
  return { uid: Number(entry[2]), gid: Number(entry[3]) };
}

/**
 * A new folder that only we, or the user, can look into.
 * @param {string} name
 * @param {User | undefined} user
 */
export function privateFolder(name, user) {
  const folder = mkdtempSync(path.join(tmpdir(), `argosy-${name}-`));
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  return folder;
}

/** Below the ports that systems hand out by themselves: nobody is given one of these between our choice and our use. */
const ownPorts = { from: 20_000, to: 32_767 };

/** What this process gave away last, in use yet or not. */
const given = [];
const mostGiven = 100;

/** A loopback port that nobody uses at this moment, and that no other caller in this process was given lately. */
export async function freePort() {
  for (let tries = 0; tries < 1_000; tries += 1) {
    const port = randomInt(ownPorts.from, ownPorts.to + 1);
    if (given.includes(port)) continue;
    given.push(port);
    if (given.length > mostGiven) given.shift();
    if (await isFree(port)) return port;
  }
  throw new Fault(`no port from ${ownPorts.from} to ${ownPorts.to} is free on 127.0.0.1: end some servers.`);
}

async function isFree(port) {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

/**
 * A server that is ours alone: it has its own port and folder, and ends with this process even when that is killed.
 * Two things see to that: the kernel signals the server at its parent's death (PR_SET_PDEATHSIG, set by `setpriv`, Linux
 * only), and a guardian shell, which reads a pipe that only we hold open, ends it and removes the folder. It is in a
 * session of its own, so that a terminal's Ctrl-C leaves it to us to end it last.
 */
export class PrivateServer {
  #program;
  #child;
  #served = false;
  #exited = Promise.resolve({ code: null, signal: null });
  #dismissGuardian;
  #stopped = false;

  /**
   * @param {{ name: string, url: string, folder: string, command: string, args: string[], user: User | undefined,
   *   quick: 'SIGKILL' | 'SIGQUIT', answers: (pid: number) => Promise<boolean> }} program
   *   `quick`: what ends it at once with all its children; `answers`: whether it serves requests already
   */
  constructor(program) {
    this.#program = program;
  }

  get name() {
    return this.#program.name;
  }

  get url() {
    return this.#program.url;
  }

  /** Where its data are. */
  get folder() {
    return this.#program.folder;
  }

  /** The server's process, as long as it runs. */
  get pid() {
    return this.#child?.pid;
  }

  /** Resolves when the process that was started last has ended. @returns {Promise<import('./tied.mjs').Ending>} */
  get exited() {
    return this.#exited;
  }

  /** Starts it, the first time or again on the same port and data, and waits until it answers. */
  async start() {
    const { name, folder, answers } = this.#program;
    const deadline = performance.now() + startMs;
    this.#spawn();
    while (!(await answers(this.pid).catch(() => false))) {
      if (this.#stopped) throw new Fault(`${name} was stopped as it started.`);
      const late = performance.now() > deadline;
      if (this.pid === undefined && (!this.#served || late)) {
        throw new Fault(`${name} ended as it started.\n${this.#lastWords()}`);
      }
      if (late) {
        await this.kill();
        throw new Fault(`${name} did not answer within ${startMs / 1000} s (${folder}).\n${this.#lastWords()}`);
      }
      // Processes of a killed PostgreSQL may still hold its memory for a moment.
      if (this.pid === undefined) this.#spawn();
      await pause(20);
    }
    this.#served = true;
  }

  /** Ends it without a warning and keeps its data. */
  async kill() {
    await this.#end('SIGKILL');
  }

  /** Ends it as an operator would and keeps its data. */
  async shutDown() {
    await this.#end('SIGINT');
  }

  /** Ends it for good and removes its folder. */
  async stop() {
    this.#stopped = true;
    await this.#end(this.#program.quick);
    rmSync(this.#program.folder, { recursive: true, force: true });
  }

  #spawn() {
    const { command, args, user, quick, folder } = this.#program;
    const log = openSync(path.join(folder, 'server.log'), 'a');
    const child = spawn(...tiedToUs(command, args, { signal: quick, user }), {
      cwd: folder,
      detached: true,
      env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.#child = child;
    this.#exited = endOf(child);
    child.once('exit', () => this.#forget(child));
    child.once('error', () => this.#forget(child));
    child.unref();
    if (child.pid !== undefined) this.#dismissGuardian = startGuardian({ pid: child.pid, signal: quick, folder });
  }

  #forget(child) {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#dismissGuardian?.();
    this.#dismissGuardian = undefined;
  }

  async #end(signal) {
    const child = this.#child;
    if (child === undefined) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), stopMs);
    await ended;
    clearTimeout(timer);
  }

  #lastWords() {
    try {
      return readFileSync(path.join(this.#program.folder, 'server.log'), 'utf8')
        .trim()
        .split('\n')
        .slice(-5)
        .join('\n');
    } catch {
      return '';
    }
  }
}
