import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { runChild } from './child.mjs';
import { announced, Fault } from './fault.mjs';
import { npmInstall } from './npm.mjs';
import { inRoot } from './paths.mjs';

const major = 24;

/** The C library's loader that the packaged Node needs, by `process.arch`. Systems with musl do not have it. */
const loaders = { x64: '/lib64/ld-linux-x86-64.so.2', arm64: '/lib/ld-linux-aarch64.so.1' };

/** Name of the npm package that holds Node for this machine, if there is one. */
function packaged() {
  const loader = process.platform === 'linux' ? loaders[process.arch] : undefined;
  return loader !== undefined && existsSync(loader) ? `node-linux-${process.arch}` : undefined;
}

/**
 * The Node that everything runs under, or undefined when it is yet to be installed.
 * @param {Record<string, { version: string }>} locked the packages of package-lock.json
 */
export function findNode24(locked) {
  const name = packaged();
  if (name === undefined) {
    if (Number(process.versions.node.split('.')[0]) >= major) return process.execPath;
    throw new Fault(`Node ${major} or later is needed and this is ${process.version}: install it from nodejs.org.`);
  }
  const folder = inRoot('node_modules', name);
  return installedVersion(folder) === locked[`node_modules/${name}`].version ? `${folder}/bin/node` : undefined;
}

function installedVersion(folder) {
  try {
    return JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')).version;
  } catch {
    return undefined;
  }
}

/**
 * Installs the packaged Node alone, so that npm can then run under it, and puts it where npm will look for it: it is
 * downloaded once. The hash of package-lock.json is checked by npm.
 * @returns {Promise<string>} path of the binary
 */
export async function installNode24(locked) {
  const name = packaged();
  const { optional: _, ...entry } = locked[`node_modules/${name}`];
  return announced(`installing Node ${entry.version} (189 MB, once)`, async () => {
    const staging = inRoot('.argosy', 'bootstrap');
    stage(staging, name, entry);
    await npmInstall(`installing Node ${entry.version}`, staging, []);
    await assertStarts(`${staging}/node_modules/${name}/bin/node`);
    moveHome(staging, name);
    rmSync(staging, { recursive: true, force: true });
    return inRoot('node_modules', name, 'bin', 'node');
  });
}

/** A whole node_modules brings npm's note of the package's hash: without it npm would unpack Node once more. */
function moveHome(staging, name) {
  if (!existsSync(inRoot('node_modules'))) {
    renameSync(`${staging}/node_modules`, inRoot('node_modules'));
    return;
  }
  rmSync(inRoot('node_modules', name), { recursive: true, force: true });
  renameSync(`${staging}/node_modules/${name}`, inRoot('node_modules', name));
}

function stage(staging, name, entry) {
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  const project = { name: 'argosy-bootstrap', version: '1.0.0', dependencies: { [name]: entry.version } };
  writeFileSync(`${staging}/package.json`, JSON.stringify(project));
  const packages = { '': project, [`node_modules/${name}`]: entry };
  const lock = { name: project.name, version: project.version, lockfileVersion: 3, requires: true, packages };
  writeFileSync(`${staging}/package-lock.json`, JSON.stringify(lock));
  if (existsSync(inRoot('.npmrc'))) copyFileSync(inRoot('.npmrc'), `${staging}/.npmrc`);
}

async function assertStarts(node) {
  const result = await runChild(node, ['--version'], { output: 'collect', deadlineMs: 30_000 }).catch((error) => error);
  if (result.exitCode === 0) return;
  throw new Fault(`the Node ${major} from npm does not start on this system: install Node ${major} from nodejs.org.`);
}
