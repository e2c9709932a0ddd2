import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { announced } from './fault.mjs';
import { npmInstall } from './npm.mjs';
import { inRoot } from './paths.mjs';

/** Stands in node_modules while npm works on it: a tree that npm did not finish is not trusted. */
const unfinished = inRoot('node_modules', '.argosy-installing');

/** @returns {Record<string, { version: string, dev?: boolean, optional?: boolean }>} by place, as in "node_modules/zod" */
export function lockedPackages() {
  return JSON.parse(readFileSync(inRoot('package-lock.json'), 'utf8')).packages;
}

/** What npm wrote about the tree that it installed last; empty when there is none. */
function installedPackages() {
  try {
    return JSON.parse(readFileSync(inRoot('node_modules', '.package-lock.json'), 'utf8')).packages;
  } catch {
    return {};
  }
}

/** @param {'production' | 'all'} scope */
const wantedIn = (scope, locked) =>
  Object.entries(locked).filter(
    ([place, entry]) => place !== '' && !entry.optional && !entry.devOptional && (scope === 'all' || !entry.dev),
  );

/** Whether every package of the scope is there in the version of package-lock.json. Costs two file reads. */
export function dependenciesReady(scope, locked) {
  if (existsSync(unfinished)) return false;
  const installed = installedPackages();
  return wantedIn(scope, locked).every(([place, entry]) => installed[place]?.version === entry.version);
}

/** Installs what is missing. Development packages that are there stay, also when only the others are wanted. */
export async function installDependencies(scope, locked, node) {
  const hasDev = Object.values(installedPackages()).some((entry) => entry.dev);
  const reach = hasDev ? 'all' : scope;
  const count = wantedIn(reach, locked).length;
  const what = reach === 'all' ? `${count} packages with the development tools` : `${count} packages`;
  await announced(`installing ${what}`, async () => {
    mkdirSync(inRoot('node_modules'), { recursive: true });
    writeFileSync(unfinished, '');
    await npmInstall('installing packages', inRoot(), [reach === 'all' ? '--include=dev' : '--omit=dev'], node);
    rmSync(unfinished, { force: true });
  });
}
