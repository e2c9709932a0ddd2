import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { runChild, throwIfInterrupted } from './child.mjs';
import { announced, Fault } from './fault.mjs';
import { inRoot, root } from './paths.mjs';

const stampFile = inRoot('dist', '.stamp');
const settings = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];

/** Folders of sources that never reach dist. */
const skippedFolders = new Set(['node_modules', 'fixtures']);
/** Built apart, by console.mjs. */
const consoleFolder = path.join('apps', 'console');
const isTestFile = (file) => /\.(spec|contract)\.ts$/.test(file);
const isAsset = (file) => !/\.(ts|md)$/.test(file);

function sources() {
  const files = [];
  const walk = (folder) => {
    for (const entry of readdirSync(inRoot(folder), { withFileTypes: true })) {
      const file = `${folder}/${entry.name}`;
      const isSkipped = skippedFolders.has(entry.name) || file === consoleFolder;
      if (entry.isDirectory() && !isSkipped) walk(file);
      if (entry.isFile() && !isTestFile(file) && !file.endsWith('.md')) files.push(file);
    }
  };
  for (const top of ['apps', 'libs']) if (existsSync(inRoot(top))) walk(top);
  return files.sort();
}

/** Changes whenever a source, by size and time of change, or a setting of the compiler does. */
function stampOf(files) {
  const hash = createHash('sha256');
  for (const file of [...settings, ...files]) {
    const { size, mtimeMs } = statSync(inRoot(file));
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

/** Whether dist holds what the sources say. */
export function buildReady() {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stampOf(sources());
}

/**
 * Compiles apps and libs into dist, without type checks (`npm run check` does them). The stamp goes first and comes back
 * last, so that a build that broke off is never taken for a good one.
 * @param {string} node path of Node 24
 */
export async function build(node) {
  await announced('building', async () => {
    const files = sources();
    const stamp = stampOf(files);
    rmSync(stampFile, { force: true });
    await compile(node);
    const assets = files.filter(isAsset);
    for (const file of assets) {
      mkdirSync(path.dirname(inRoot('dist', file)), { recursive: true });
      copyFileSync(inRoot(file), inRoot('dist', file));
    }
    removeLeftovers(files);
    writeCommand(node);
    writeFileSync(stampFile, stamp);
  });
}

async function compile(node) {
  const tsc = inRoot('node_modules', 'typescript', 'bin', 'tsc');
  const args = [tsc, '-p', inRoot('tsconfig.build.json'), '--pretty', 'false'];
  const result = await runChild(node, args, { cwd: root, output: 'collect', deadlineMs: 10 * 60_000 });
  throwIfInterrupted(result);
  if (result.exitCode === 0) return;
  const lines = result.output.trim().split('\n').slice(0, 20);
  throw new Fault(['the build failed.', ...lines.map((line) => `  ${line}`)].join('\n'));
}

/** What earlier builds wrote for sources that are gone. A server that runs from dist keeps its other files meanwhile. */
function removeLeftovers(files) {
  const expected = new Set();
  for (const file of files) {
    if (isAsset(file)) expected.add(file);
    else for (const ending of ['.js', '.js.map']) expected.add(file.replace(/\.ts$/, ending));
  }
  for (const top of ['apps', 'libs']) {
    if (!existsSync(inRoot('dist', top))) continue;
    for (const file of readdirSync(inRoot('dist', top), { recursive: true })) {
      const output = path.join(top, file);
      if (output.startsWith(consoleFolder)) continue;
      if (!expected.has(output) && statSync(inRoot('dist', output)).isFile()) rmSync(inRoot('dist', output));
    }
  }
}

/** `node_modules/.bin/argosy`: the command line under Node 24, whatever `node` means on this machine. */
function writeCommand(node) {
  const file = inRoot('node_modules', '.bin', 'argosy');
  const inClone = path.relative(root, node);
  const binary = inClone.startsWith('..') ? node : `$clone/${inClone}`;
  const lines = [
    '#!/bin/sh',
    'clone=$(cd "$(dirname "$0")/../.." && pwd) || exit 1',
    `exec "${binary}" --disable-warning=ExperimentalWarning "$clone/dist/apps/cli/src/main.js" "$@"`,
  ];
  mkdirSync(path.dirname(file), { recursive: true });
  rmSync(file, { force: true });
  writeFileSync(file, `${lines.join('\n')}\n`);
  chmodSync(file, 0o755);
}
