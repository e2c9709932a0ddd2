import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { endOf, tiedToUs } from '../servers/tied.mjs';
import { Fault } from '../setup/fault.mjs';
import { inRoot } from '../setup/paths.mjs';

/** One process of an inference group, from the build. It ends with ours. */
export class InferenceProcess {
  /** For people. */
  name;
  #child;
  #ended;

  /** @param {string} name @param {import('node:child_process').ChildProcess} child */
  constructor(name, child) {
    this.name = name;
    this.#child = child;
    this.#ended = endOf(child);
  }

  /**
   * @param {string} name
   * @param {string[]} options of its command line
   * @param {Record<string, string>} settings
   * @returns {Promise<InferenceProcess>} when it is ready
   * @throws {Fault} with what it said, when it ends before
   */
  static async start(name, options, settings = {}) {
    const main = inRoot('dist', 'apps', 'inference', 'src', 'main.js');
    const args = ['--disable-warning=ExperimentalWarning', main, ...options];
    const env = { PATH: process.env.PATH ?? '', ...settings };
    const child = spawn(...tiedToUs(process.execPath, args, { signal: 'SIGKILL' }), {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const started = new InferenceProcess(name, child);
    await started.#ready();
    return started;
  }

  /** At once, as a machine that fails. */
  async kill() {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  async #ready() {
    const said = [];
    for await (const line of createInterface({ input: this.#child.stderr })) {
      said.push(line);
      if (!line.includes('"event":"ready"')) continue;
      this.#child.stderr.resume();
      return;
    }
    throw new Fault(`${this.name} did not start:\n${said.join('\n')}`);
  }
}
