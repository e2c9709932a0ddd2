import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../servers/private-server.mjs';
import { endOf, kernelTies, startGuardian, tiedToUs } from '../servers/tied.mjs';

/** Exit code of a process whose settings are wrong: starting it again changes nothing. */
const refusal = 2;
const answerMs = 2_000;
/** For the last lines of a process that has ended; a grandchild may hold its output open for longer. */
const lastLinesMs = 200;

/**
 * @typedef {object} Program what one process of the fleet is
 * @property {string} name such as `agent-1`
 * @property {string} command
 * @property {string[]} args
 * @property {NodeJS.ProcessEnv} env
 * @property {string} host where it serves /readyz
 * @property {{ variable: string, number: number }} port under which name it learns its port; 0: a free one at each start
 * @property {number} stage those of a lower one are asked to stop, and have stopped, before those of a higher one
 */

/**
 * One process of the fleet, started as often as need be. It ends with ours, and has a session of its own, so that a
 * terminal's Ctrl-C reaches it only through us.
 */
export class RoleProcess {
  #program;
  #onLine;
  #child;
  #port = 0;
  #exited = Promise.resolve({ code: null, signal: null });
  #wasReady = false;
  #refused = false;
  #stopping = false;

  /**
   * @param {Program} program
   * @param {(name: string, line: string) => void} onLine takes what it writes
   */
  constructor(program, onLine) {
    this.#program = program;
    this.#onLine = onLine;
  }

  get name() {
    return this.#program.name;
  }

  get stage() {
    return this.#program.stage;
  }

  get exited() {
    return this.#exited;
  }

  /** Whether it ended, before it was ever ready, because its settings are wrong. It has said which. */
  get refused() {
    return this.#refused;
  }

  /** Starts it, the first time or again. */
  async start() {
    const { command, args, env, port } = this.#program;
    this.#port = port.number || (await freePort());
    if (this.#stopping) return;
    const child = spawn(...tiedToUs(command, args, { signal: 'SIGKILL' }), {
      env: { ...env, [port.variable]: String(this.#port) },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#exited = this.#outcomeOf(child);
  }

  /** @returns {Promise<string | undefined>} why it is not ready; undefined when it is */
  async notReady() {
    const host = this.#program.host.includes(':') ? `[${this.#program.host}]` : this.#program.host;
    const url = `http://${host}:${this.#port}/readyz`;
    try {
      // biome-ignore lint/style/noRestrictedGlobals: a probe on this machine, on behalf of no run
      const response = await fetch(url, { signal: AbortSignal.timeout(answerMs) });
      const words = await response.text();
      if (!response.ok) return reasonIn(words);
      this.#wasReady = true;
      return undefined;
    } catch {
      return 'it does not answer';
    }
  }

  /**
   * Asks it to end, for good, and kills it when it has not.
   * @param {number} limitMs
   * @returns {Promise<import('../servers/tied.mjs').Ending | undefined>} undefined when it was not running
   */
  async stop(limitMs) {
    this.#stopping = true;
    const child = this.#child;
    if (child === undefined) return undefined;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
    const ending = await this.#exited;
    clearTimeout(timer);
    return ending;
  }

  async #outcomeOf(child) {
    const closed = once(child, 'close');
    // Of a child that never began nothing closes.
    closed.catch(() => undefined);
    for (const output of [child.stdout, child.stderr]) {
      createInterface({ input: output }).on('line', (line) => this.#onLine(this.name, line));
    }
    const dismiss =
      kernelTies || child.pid === undefined ? undefined : startGuardian({ pid: child.pid, signal: 'SIGKILL' });
    const ending = await endOf(child);
    dismiss?.();
    this.#child = undefined;
    this.#refused = ending.code === refusal && !this.#wasReady;
    if (ending.error === undefined) await Promise.race([closed, pause(lastLinesMs)]);
    return ending;
  }
}

/** What /readyz says is wrong. */
function reasonIn(words) {
  try {
    return JSON.parse(words).reason ?? words;
  } catch {
    return words;
  }
}
