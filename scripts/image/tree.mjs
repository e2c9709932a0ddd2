/** The files of an image: what a process of any role needs, and nothing that builds or tests it. */
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { lockedPackages } from '../setup/dependencies.mjs';
import { Fault } from '../setup/fault.mjs';
import { inRoot } from '../setup/paths.mjs';
import { runtimePackages } from './packages.mjs';
import { billOf } from './sbom.mjs';

/** Of package.json, what Node and the metrics read; `imports` is how the parts find each other. */
const keptFields = ['name', 'version', 'description', 'license', 'type', 'bin', 'imports'];

/** For compilers and debuggers. */
const isForBuilding = (file) => /\.(d\.[cm]?ts|[cm]?ts|map|tsbuildinfo)$/.test(file);
const isOwnPackageOf = (place) => (file) => !file.slice(inRoot(place).length).includes(`${path.sep}node_modules`);

/**
 * Copies dist, the packages that it runs on, a bill of these and the licence into a folder, which a container has as /opt/argosy.
 * @param {string} to is made; must be empty
 * @returns {{ packages: number }}
 * @throws {Fault} when there is something in the folder already
 */
export function layOutTree(to) {
  if (existsSync(to) && readdirSync(to).length > 0)
    throw new Fault(`${to} is not empty: name another folder, or empty it.`, 2);
  mkdirSync(to, { recursive: true });
  for (const top of ['apps', 'libs'])
    cpSync(inRoot('dist', top), path.join(to, 'dist', top), {
      recursive: true,
      filter: (file) => !isForBuilding(file),
    });
  const locked = lockedPackages();
  const packages = runtimePackages(locked);
  for (const place of packages) copyPackage(place, to);
  const whole = JSON.parse(readFileSync(inRoot('package.json'), 'utf8'));
  const kept = Object.fromEntries(keptFields.map((field) => [field, whole[field]]));
  writeFileSync(path.join(to, 'package.json'), `${JSON.stringify(kept, null, 2)}\n`);
  const bill = billOf(packages, locked, { name: whole.name, version: whole.version });
  writeFileSync(path.join(to, 'sbom.json'), `${JSON.stringify(bill, null, 2)}\n`);
  cpSync(inRoot('LICENSE'), path.join(to, 'LICENSE'));
  chmodSync(path.join(to, whole.bin.argosy), 0o755);
  return { packages: packages.length };
}

/** Packages that lie in this one are copied by themselves, where something needs them. */
function copyPackage(place, to) {
  const isOwn = isOwnPackageOf(place);
  cpSync(inRoot(place), path.join(to, place), {
    recursive: true,
    dereference: true,
    filter: (file) => isOwn(file) && !isForBuilding(file),
  });
}
