import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Collection, QuestionSet } from './retrieval.ts';

const run = promisify(execFile);

/**
 * Fetches the collections that the questions of a set are about into `folder`, by npm and apt-get, pinned to their
 * versions; what is there already stays.
 * @returns folder of each collection that could be had, and why the others could not
 */
export async function fetchCollections(
  { collections, questions }: QuestionSet,
  folder: string,
): Promise<{ paths: Map<string, string>; missing: Map<string, string> }> {
  await mkdir(folder, { recursive: true });
  const paths = new Map<string, string>();
  const missing = new Map<string, string>();
  const wanted = new Set(questions.map(({ collection }) => collection));
  for (const [name, collection] of Object.entries(collections)) {
    if (!wanted.has(name)) continue;
    try {
      paths.set(name, await fetchCollection(collection, folder));
    } catch (error) {
      missing.set(name, error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error));
    }
  }
  return { paths, missing };
}

async function fetchCollection(collection: Collection, folder: string): Promise<string> {
  if ('npm' in collection) {
    const own = join(folder, collection.npm.replaceAll('/', '-'));
    const path = join(own, 'node_modules', collection.npm);
    if (!existsSync(path)) {
      await mkdir(own, { recursive: true });
      const spec = `${collection.npm}@${collection.version}`;
      await run('npm', ['install', '--prefix', own, '--ignore-scripts', '--no-audit', '--no-fund', spec]);
    }
    return path;
  }
  const own = join(folder, collection.debian);
  const path = join(own, collection.path);
  if (!existsSync(path)) {
    await mkdir(own, { recursive: true });
    await run('apt-get', ['download', `${collection.debian}=${collection.version}`], { cwd: own });
    const archive = (await readdir(own)).find((file) => file.endsWith('.deb'));
    if (archive === undefined) throw new Error(`apt-get downloaded no ${collection.debian}`);
    await run('dpkg-deb', ['-x', join(own, archive), own]);
  }
  return path;
}
