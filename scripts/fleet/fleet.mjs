import { setTimeout as pause } from 'node:timers/promises';
import { Fault } from '../setup/fault.mjs';
import { keepAlive, wordsFor } from './keeping.mjs';
import { RoleProcess } from './role-process.mjs';

const readyMs = 60_000;
const lookMs = 100;
/** From here on the waiting is explained. */
const tellAfterMs = 5_000;
/**
 * @typedef {object} Composition
 * @property {import('./role-process.mjs').Program[]} programs
 * @property {import('../servers/private-server.mjs').PrivateServer[]} servers that are ours, started already
 * @property {number} killAfterMs from SIGTERM to SIGKILL
 * @property {(line: string) => void} tell takes what the fleet itself has to say
 * @property {(name: string, line: string) => void} onLine takes what its processes write
 * @property {import('./keeping.mjs').BackOff} [limits]
 */

/** Processes that are kept alive together, and end together in an order that loses nothing. */
export class Fleet {
  #roles;
  #servers;
  #composition;
  #stopping = new AbortController();
  #serversStopping = new AbortController();
  /** @type {Promise<void>[]} */
  #keepers = [];

  /** @param {Composition} composition */
  constructor(composition) {
    this.#composition = composition;
    this.#servers = composition.servers;
    this.#roles = composition.programs.map((program) => new RoleProcess(program, composition.onLine));
  }

  /**
   * Starts every process and keeps it, and the servers, alive from now on.
   * @param {AbortSignal} asked ends the waiting
   * @returns {Promise<boolean>} true when all are ready, false when asked to stop before
   * @throws {Fault} when one of them cannot become ready; then stop()
   */
  async start(asked) {
    const { tell, limits } = this.#composition;
    const keep = (kept, until) => this.#keepers.push(keepAlive(kept, { until, tell, ...(limits && { limits }) }));
    for (const server of this.#servers) keep(announcing(server, tell), this.#serversStopping.signal);
    for (const role of this.#roles) {
      await role.start();
      keep(role, this.#stopping.signal);
    }
    return await this.#untilReady(asked);
  }

  /** Drains the processes, those that take on work first, and then ends the servers. */
  async stop() {
    this.#stopping.abort();
    for (const stage of [...new Set(this.#roles.map(({ stage }) => stage))].sort((a, b) => a - b)) {
      const members = this.#roles.filter((role) => role.stage === stage);
      await Promise.all(members.map((role) => this.#drain(role)));
    }
    this.#serversStopping.abort();
    await Promise.all(this.#servers.map((server) => server.stop()));
    await Promise.all(this.#keepers);
  }

  async #untilReady(asked) {
    const startedAt = performance.now();
    let waiting = this.#roles;
    for (let told = false; !asked.aborted; await pause(lookMs)) {
      const refused = this.#roles.find((role) => role.refused);
      if (refused !== undefined) throw new Fault(`${refused.name} does not take its settings: it says above why.`, 2);
      const reasons = await Promise.all(waiting.map((role) => role.notReady()));
      const [reason] = reasons.filter((words) => words !== undefined);
      waiting = waiting.filter((_, index) => reasons[index] !== undefined);
      const [first] = waiting;
      if (first === undefined) return true;
      const waitedMs = performance.now() - startedAt;
      if (waitedMs > readyMs) throw new Fault(`${first.name} is not ready after ${readyMs / 1000} s: ${reason}`);
      if (!told && waitedMs > tellAfterMs) {
        told = true;
        this.#composition.tell(`still waiting for ${waiting.map(({ name }) => name).join(', ')}: ${reason}`);
      }
    }
    return false;
  }

  async #drain(role) {
    const { killAfterMs, tell } = this.#composition;
    const ending = await role.stop(killAfterMs);
    // A process that drained has said so itself.
    if (ending !== undefined && ending.code !== 0) tell(`${role.name} ${wordsFor(ending)}`);
  }
}

/** A server that says when it is back: unlike our processes it writes nothing here. */
function announcing(server, tell) {
  return {
    name: server.name,
    get exited() {
      return server.exited;
    },
    async start() {
      await server.start();
      tell(`${server.name} serves again`);
    },
  };
}
