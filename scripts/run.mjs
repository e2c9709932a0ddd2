/**
 * `node scripts/run.mjs <task> [arguments]`: what every npm script calls. Installs what the task needs (Node 24, packages,
 * a build) and runs it under Node 24. Itself it runs on Node 18 and needs no package.
 */
import { existsSync } from 'node:fs';
import { build, buildReady } from './setup/build.mjs';
import { runChild } from './setup/child.mjs';
import { buildConsole, consolePackagesReady, consoleReady, installConsolePackages } from './setup/console.mjs';
import { dependenciesReady, installDependencies, lockedPackages } from './setup/dependencies.mjs';
import { explain, Fault, say } from './setup/fault.mjs';
import { withSetupLock } from './setup/lock.mjs';
import { findNode24, installNode24 } from './setup/node24.mjs';
import { withNodeFirst } from './setup/npm.mjs';
import { inRoot, root } from './setup/paths.mjs';

/** node:sqlite and jest's ES modules are called experimental in Node 24; nobody who reads a report needs to know. */
const calm = '--disable-warning=ExperimentalWarning';

/** `npm start` serves when it is given no question; research needs no console. */
const serves = (args) => args.every((word, i) => isServeFlag(word) || isServeFlag(args[i - 1]));
const isServeFlag = (word) => word === '--port' || word === '--model';

/**
 * packages: which dependencies it needs; built: whether it runs from dist; web: whether it needs the console, `built`, or
 * only what its checks need, `packages`, or a function that says so of the arguments; file: what Node 24 runs, none when
 * preparing is all; here: it runs in the folder it was called in, so that paths on its command line mean what they say.
 */
const tasks = {
  start: {
    ...{ packages: 'production', built: true, web: (args) => (serves(args) ? 'built' : undefined) },
    ...{ file: 'dist/apps/cli/src/main.js', first: ['start'], here: true },
  },
  fleet: { packages: 'production', built: true, web: 'built', file: 'scripts/tasks/fleet.mjs' },
  'demo:moe': { packages: 'production', built: true, file: 'scripts/tasks/demo-moe.mjs' },
  build: { packages: 'production', built: true, web: 'built' },
  // Benchmarks are stripped TypeScript; what they measure is the build, because decorators cannot be stripped.
  bench: {
    packages: 'all',
    built: true,
    web: (args) => (args[0] === 'console' ? 'built' : undefined),
    file: 'test/bench/main.ts',
  },
  test: { packages: 'all', built: false, web: 'packages', file: 'scripts/tasks/test.mjs' },
  'image:tree': { packages: 'production', built: true, web: 'built', file: 'scripts/tasks/image-tree.mjs' },
  'test:k8s': { packages: 'all', built: true, web: 'built', file: 'scripts/tasks/test-k8s.mjs' },
  chaos: { packages: 'all', built: true, file: 'scripts/tasks/chaos.mjs' },
  check: { packages: 'all', built: false, web: 'packages', file: 'scripts/tasks/check.mjs' },
  format: { packages: 'all', built: false, file: 'scripts/tasks/format.mjs' },
  gen: { packages: 'all', built: false, file: 'scripts/tasks/gen.mjs' },
};

/** @returns {Promise<string>} path of Node 24 */
async function prepare(task, web) {
  const locked = lockedPackages();
  const ready = findNode24(locked);
  const isReady = dependenciesReady(task.packages, locked) && (!task.built || buildReady()) && webReady(task, web);
  if (ready !== undefined && isReady) return ready;
  return withSetupLock(async () => {
    const node = findNode24(locked) ?? (await installNode24(locked));
    if (!dependenciesReady(task.packages, locked)) await installDependencies(task.packages, locked, node);
    if (task.built && !buildReady()) await build(node);
    if (!webReady(task, web)) await installConsolePackages(task.packages, node);
    if (web === 'built' && !consoleReady()) await buildConsole(node);
    return node;
  });
}

/** A console that is built needs no packages. */
function webReady({ packages }, web) {
  if (web === undefined) return true;
  if (web === 'built' && packages === 'production') return consoleReady();
  return consolePackagesReady(packages) && (web !== 'built' || consoleReady());
}

async function main([name, ...args]) {
  const task = Object.hasOwn(tasks, name ?? '') ? tasks[name] : undefined;
  if (task === undefined) throw new Fault(`usage: node scripts/run.mjs ${Object.keys(tasks).join('|')} [arguments]`, 2);
  const node = await prepare(task, typeof task.web === 'function' ? task.web(args) : task.web);
  if (task.file === undefined) return 0;
  if (!existsSync(inRoot(task.file))) throw new Fault(`${task.file} is missing in this clone.`);
  const { exitCode } = await runChild(node, [calm, inRoot(task.file), ...(task.first ?? []), ...args], {
    env: withNodeFirst(node),
    cwd: task.here ? process.cwd() : root,
  });
  return exitCode;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const fault = error instanceof Fault ? error : explain('preparing this clone', String(error?.message ?? error));
  say(fault.message);
  process.exitCode = fault.exitCode;
}
