/** The web console: a package of its own below apps/, which only what serves it installs and builds. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { runChild, throwIfInterrupted } from './child.mjs';
import { announced, Fault } from './fault.mjs';
import { npmInstall } from './npm.mjs';
import { inRoot } from './paths.mjs';

const folder = inRoot('apps', 'console');
const stampFolder = inRoot('dist', 'apps', 'console');
const stampFile = `${stampFolder}/.stamp`;

/** Stands in node_modules while npm works on it: a tree that npm did not finish is not trusted. */
const unfinished = `${folder}/node_modules/.argosy-installing`;

const packagesIn = (file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return {};
  }
};

/** @param {'production' | 'all'} scope `all` with what its tests and type checks need */
export function consolePackagesReady(scope) {
  if (existsSync(unfinished)) return false;
  const installed = packagesIn(`${folder}/node_modules/.package-lock.json`);
  return Object.entries(packagesIn(`${folder}/package-lock.json`))
    .filter(([place, entry]) => place !== '' && !entry.optional && (scope === 'all' || !entry.dev))
    .every(([place, entry]) => installed[place]?.version === entry.version);
}

/** Installs what is missing of its packages; tools for tests that are there stay. Only under the setup lock. */
export async function installConsolePackages(scope, node) {
  if (consolePackagesReady(scope)) return;
  const reach = existsSync(`${folder}/node_modules/playwright-core`) ? 'all' : scope;
  await announced("installing the console's packages", async () => {
    rmSync(unfinished, { force: true });
    if (existsSync(`${folder}/node_modules`)) writeFileSync(unfinished, '');
    const args = [reach === 'all' ? '--include=dev' : '--omit=dev'];
    await npmInstall("installing the console's packages", folder, args, node);
    rmSync(unfinished, { force: true });
  });
}

/** Changes whenever a source, by size and time of change, or a package of the console does. */
function stamp() {
  const hash = createHash('sha256');
  const files = ['apps/console/src', 'libs/domain/src'].flatMap((top) =>
    readdirSync(inRoot(top), { recursive: true }).map((file) => `${top}/${file}`),
  );
  for (const file of ['apps/console/package-lock.json', 'apps/console/vite.config.js', ...files.sort()]) {
    const { size, mtimeMs } = statSync(inRoot(file));
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

/** Whether dist holds the console that its sources say. */
export function consoleReady() {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp();
}

/**
 * Builds static files into dist/apps/console/site. The stamp goes first and comes back last, as with the build of the rest.
 * @param {string} node path of Node 24
 */
export async function buildConsole(node) {
  await announced('building the console', async () => {
    const current = stamp();
    rmSync(stampFile, { force: true });
    const args = [`${folder}/node_modules/vite/bin/vite.js`, 'build', '--logLevel', 'warn'];
    const result = await runChild(node, args, { cwd: folder, output: 'collect', deadlineMs: 5 * 60_000 });
    throwIfInterrupted(result);
    if (result.exitCode !== 0) {
      const lines = result.output.trim().split('\n').slice(0, 20);
      throw new Fault(['the build of the console failed.', ...lines.map((line) => `  ${line}`)].join('\n'));
    }
    writeFileSync(stampFile, current);
  });
}
