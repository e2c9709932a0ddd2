import { existsSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { runChild } from '../setup/child.mjs';
import { inRoot, root } from '../setup/paths.mjs';
import { staleFiles } from './gen.mjs';

const deadlineMs = 5 * 60_000;

/** Two at a time: most of these tools use more than one core already. */
const atOnce = 2;

/** A tool from node_modules; undefined when it is content, else what it says. */
async function tool(name, args) {
  const { exitCode, output } = await runChild(inRoot('node_modules', '.bin', name), args, {
    cwd: root,
    output: 'collect',
    deadlineMs,
  });
  return exitCode === 0 ? undefined : output.trim() || `${name} ended with code ${exitCode}`;
}

const present = (...folders) => folders.filter((folder) => existsSync(inRoot(folder)));

async function generated() {
  const stale = await staleFiles();
  return stale.length === 0
    ? undefined
    : `differs from the proto files and the instruments (npm run gen):\n${stale.join('\n')}`;
}

/** Each static check by name: undefined when there is nothing to say. */
const checks = {
  types: async () =>
    (await tool('tsc', ['--noEmit', '-p', 'tsconfig.json'])) ?? tool('tsc', ['--noEmit', '-p', 'apps/console']),
  biome: () => tool('biome', ['ci', '--colors=off', '.']),
  layers: () => tool('depcruise', ['--config', '.dependency-cruiser.mjs', ...present('apps', 'libs', 'test')]),
  'dead-code': () => tool('knip', ['--no-progress']),
  proto: async () => (await tool('buf', ['lint'])) ?? tool('buf', ['format', '--diff', '--exit-code']),
  generated,
};

export const checkNames = Object.keys(checks);

/**
 * Runs static checks and prints one line for each, what a failed one said below it.
 * @param {string[]} names
 * @returns {Promise<{ passed: number, failed: number }>}
 */
export async function runChecks(names) {
  const waiting = [...names];
  let failed = 0;
  const lane = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const startedAt = performance.now();
      const complaint = await checks[name]().catch((error) => error.message);
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      if (complaint !== undefined) failed += 1;
      process.stdout.write(`${complaint === undefined ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)\n`);
      if (complaint !== undefined) process.stdout.write(`${complaint.replace(/^/gm, '  ')}\n`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return { passed: names.length - failed, failed };
}
