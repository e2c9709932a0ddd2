import { existsSync } from 'node:fs';
import path from 'node:path';
import { runChild, throwIfInterrupted } from './child.mjs';
import { explain, Fault } from './fault.mjs';
import { alsoHeldBy } from './lock.mjs';

const deadlineMs = 20 * 60_000;

/** Nothing is asked, nothing is sent but requests for packages, no package runs code of its own. */
const quiet = [
  '--no-audit',
  '--no-fund',
  '--no-save',
  '--ignore-scripts',
  '--prefer-offline',
  '--loglevel=error',
  '--fetch-retries=2',
  '--fetch-retry-mintimeout=1000',
  '--fetch-retry-maxtimeout=5000',
];

/**
 * `npm install` with the machine's npm, which stays silent unless it fails. Only under the setup lock.
 * @param {string} doing said when it fails
 * @param {string} folder that holds the package.json
 * @param {string[]} args
 * @param {string} [node] run npm under this Node instead of the machine's
 */
export async function npmInstall(doing, folder, args, node) {
  const cli = npmCli();
  const under = node !== undefined && (await worksUnder(node, cli)) ? node : process.execPath;
  const result = await runChild(under, [cli, 'install', '--prefix', folder, ...quiet, ...args], {
    cwd: folder,
    env: { ...withNodeFirst(under), npm_config_globalconfig: globalConfig() },
    output: 'collect',
    deadlineMs,
    onStart: alsoHeldBy,
  });
  throwIfInterrupted(result);
  if (result.exitCode !== 0) throw explain(doing, result.output);
}

/** npm derives this file from the Node that it runs under; the machine's own may name its mirror and proxy. */
function globalConfig() {
  return process.env.npm_config_globalconfig ?? path.resolve(process.execPath, '../../etc/npmrc');
}

/** Debian's npm finds its parts only under Debian's Node. */
async function worksUnder(node, cli) {
  const result = await runChild(node, [cli, '--version'], { output: 'collect', deadlineMs: 30_000 });
  throwIfInterrupted(result);
  return result.exitCode === 0;
}

/** @returns {NodeJS.ProcessEnv} in which `node` means this one */
export function withNodeFirst(node) {
  return { ...process.env, PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH ?? ''}` };
}

function npmCli() {
  const caller = process.env.npm_execpath;
  if (caller !== undefined && path.basename(caller) === 'npm-cli.js' && existsSync(caller)) return caller;
  const found = (process.env.PATH ?? '')
    .split(path.delimiter)
    .map((folder) => path.join(folder, 'npm'))
    .find((file) => existsSync(file));
  if (found === undefined)
    throw new Fault('npm is not on PATH: install Node with npm (18 or later), then start again.');
  return found;
}
