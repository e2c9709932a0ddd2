/** What `npm run fleet` is asked for, on its command line and in the environment. */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Fault } from '../setup/fault.mjs';
import { inRoot } from '../setup/paths.mjs';

/** As libs/platform has it: from SIGTERM to the end of a process. */
const defaultGraceMs = 25_000;
const defaultPort = 7420;
const most = 100;

export const usage = `npm run fleet [-- --agents N --tools N --gateways N --port N]

Runs Argosy as a fleet on this machine: Redis, PostgreSQL, gateways, a dispatcher, agent workers, tool workers and the
egress proxy that these reach the web by, each a process of its own. Ctrl-C drains it.

  --agents N     agent workers, 2 unless told
  --tools N      tool workers, 2 unless told
  --gateways N   gateways, 1 unless told; the first has the port, the others the ports after it
  --port N       of the first gateway, ${defaultPort} unless told; 0 chooses free ones`;

/**
 * @typedef {object} Options
 * @property {{ agents: number, tools: number, gateways: number }} counts
 * @property {number} port of the first gateway; 0: any free one
 * @property {string} host
 * @property {string} dataDir absolute
 * @property {number} graceMs how long a process may take from SIGTERM to its end
 */

/**
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {Options | undefined} undefined: only the usage is asked for
 * @throws {Fault} with exit code 2
 */
export function readOptions(args, env) {
  const { agents, tools, gateways, port, help } = flagsOf(args);
  if (help) return undefined;
  return {
    counts: {
      agents: wholeNumber('--agents', agents ?? '2', 1, most),
      tools: wholeNumber('--tools', tools ?? '2', 1, most),
      gateways: wholeNumber('--gateways', gateways ?? '1', 1, most),
    },
    port: port === undefined ? portOf(env) : wholeNumber('--port', port, 0, 65_535),
    host: env.ARGOSY_HOST || '127.0.0.1',
    dataDir: path.resolve(env.ARGOSY_DATA_DIR || inRoot('.argosy')),
    graceMs: wholeNumber('ARGOSY_GRACE_MS', env.ARGOSY_GRACE_MS || String(defaultGraceMs), 0, 3_600_000),
  };
}

const portOf = (env) => wholeNumber('ARGOSY_PORT', env.ARGOSY_PORT || String(defaultPort), 0, 65_535);

function flagsOf(args) {
  const number = { type: 'string' };
  const known = {
    agents: number,
    tools: number,
    gateways: number,
    port: number,
    help: { type: 'boolean', short: 'h' },
  };
  try {
    return parseArgs({ args, options: known, strict: true }).values;
  } catch (error) {
    // Node explains how to pass such words on, which nobody wants here.
    const [first] = error.message.split(/\.\s|\n/);
    throw new Fault(`${first}. Known here: --agents N --tools N --gateways N --port N`, 2);
  }
}

function wholeNumber(name, text, least, greatest) {
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= least && value <= greatest) return value;
  throw new Fault(`${name} needs a whole number from ${least} to ${greatest}, not ${JSON.stringify(text)}.`, 2);
}
