/** Which packages a process needs when it runs from dist, by package-lock.json. */
import { existsSync } from 'node:fs';
import { inRoot } from '../setup/paths.mjs';

/** Dependencies of a clone, which builds itself; dist needs none of them. */
const buildTools = new Set(['typescript']);

/** @typedef {{ version: string, dependencies?: Record<string, string>, optionalDependencies?: Record<string, string>,
 *   peerDependencies?: Record<string, string> }} Locked */

/**
 * The places, such as `node_modules/zod`, of all packages that the dependencies of package.json lead to.
 * @param {Record<string, Locked>} locked the packages of package-lock.json
 * @param {(place: string) => boolean} [isThere] optional packages are for one system or another
 * @returns {string[]} sorted
 * @throws {Error} where package-lock.json lacks a package that is not optional
 */
export function runtimePackages(locked, isThere = (place) => existsSync(inRoot(place))) {
  const found = new Set();
  const pending = Object.keys(locked[''].dependencies ?? {})
    .filter((name) => !buildTools.has(name))
    .map((name) => ({ name, from: '', needed: true }));
  while (pending.length > 0) {
    const { name, from, needed } = pending.pop();
    const place = resolve(locked, name, from);
    if (place === undefined && needed) throw new Error(`package-lock.json lacks ${name}, which ${from || 'we'} need`);
    if (place === undefined || found.has(place) || (!needed && !isThere(place))) continue;
    found.add(place);
    pending.push(...needs(locked[place], place));
  }
  return [...found].sort();
}

function needs({ dependencies = {}, optionalDependencies = {}, peerDependencies = {} }, from) {
  const optional = Object.keys({ ...optionalDependencies, ...peerDependencies });
  return [
    ...Object.keys(dependencies).map((name) => ({ name, from, needed: !optional.includes(name) })),
    ...Object.keys(optionalDependencies).map((name) => ({ name, from, needed: false })),
  ];
}

/** As Node looks for it: in the package's own node_modules, then in that of each one around it. */
function resolve(locked, name, from) {
  for (let around = from; ; around = around.slice(0, Math.max(0, around.lastIndexOf('/node_modules/')))) {
    const place = `${around === '' ? '' : `${around}/`}node_modules/${name}`;
    if (locked[place] !== undefined) return place;
    if (around === '') return undefined;
  }
}
