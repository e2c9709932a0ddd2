import { type Dirent, readdirSync, realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { messageOf } from '#errors';
import { type DocumentType, typeOfName } from '../text/document.ts';

/** Largest file that is read, in bytes. */
const FILE_LIMIT = 10 * 1024 * 1024;

/** A file to index; `path` is relative to the root with `/`. */
export interface FoundFile {
  readonly path: string;
  readonly absolute: string;
  readonly type: DocumentType;
  readonly size: number;
  readonly mtimeMs: number;
}

/** A file to index under a path that need not be where it lies. */
export interface NamedFile {
  readonly path: string;
  readonly absolute: string;
}

/** Something that was left out. A folder's path ends in `/`. */
export interface Skip {
  readonly path: string;
  readonly reason: string;
}

/** What a folder holds, in order of path. */
export interface Found {
  readonly files: readonly FoundFile[];
  readonly skipped: readonly Skip[];
}

const LOCK_FILE = /(?:^|[.-])(?:lock|lockb)$|^(?:package-lock|npm-shrinkwrap)\.json$|-lock\.(?:json|yaml)$|^go\.sum$/i;
const BUNDLE = /\.min\.(?:js|mjs|cjs|css)$/i;

/** Lists the files of a folder that can be indexed. Blocks while it reads folders: for a worker thread. */
export function walk(root: string): Found {
  const found = { files: [] as FoundFile[], skipped: [] as Skip[] };
  visitFolder({ root, ...found }, '');
  return found;
}

interface Walk {
  readonly root: string;
  readonly files: FoundFile[];
  readonly skipped: Skip[];
}

function visitFolder(walk: Walk, folder: string): void {
  let entries: Dirent[];
  try {
    entries = readdirSync(join(walk.root, folder), { withFileTypes: true });
  } catch (error) {
    walk.skipped.push({ path: folder, reason: `the folder cannot be read: ${messageOf(error)}` });
    return;
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) visitEntry(walk, entry, `${folder}${entry.name}`);
}

function visitEntry(walk: Walk, entry: Dirent, path: string): void {
  const skip = (reason: string, mark = '') => walk.skipped.push({ path: path + mark, reason });
  if (entry.isSymbolicLink()) skip(linkReason(walk.root, join(walk.root, path)));
  else if (entry.isDirectory()) {
    if (entry.name === 'node_modules') skip('installed packages are not part of the folder', '/');
    else if (entry.name.startsWith('.')) skip('hidden folder', '/');
    else visitFolder(walk, `${path}/`);
  } else if (!entry.isFile()) skip('not a plain file');
  else {
    const reason = nameReason(entry.name);
    const file = reason === null ? describe(path, join(walk.root, path)) : { path, reason };
    if ('reason' in file) walk.skipped.push(file);
    else walk.files.push(file);
  }
}

/** Files that lie elsewhere than their paths say, as entries of a folder. */
export function listed(files: readonly NamedFile[]): Found {
  const found = { files: [] as FoundFile[], skipped: [] as Skip[] };
  for (const { path, absolute } of files) {
    const file = describe(path, absolute);
    if ('reason' in file) found.skipped.push(file);
    else found.files.push(file);
  }
  return found;
}

/** One file as an entry, or why it cannot be one. */
export function describe(path: string, absolute: string): FoundFile | Skip {
  const type = typeOfName(path);
  if (type === null) return { path, reason: 'this type of file is not read' };
  try {
    const { size, mtimeMs } = statSync(absolute);
    if (size > FILE_LIMIT) return { path, reason: `larger than ${FILE_LIMIT / 1024 / 1024} MiB` };
    return size === 0 ? { path, reason: 'empty' } : { path, absolute, type, size, mtimeMs };
  } catch (error) {
    return { path, reason: `cannot be read: ${messageOf(error)}` };
  }
}

function nameReason(name: string): string | null {
  if (BUNDLE.test(name)) return 'minified bundle';
  if (name.endsWith('.map')) return 'source map';
  return LOCK_FILE.test(name) ? 'lock file' : null;
}

function linkReason(root: string, absolute: string): string {
  try {
    const target = realpathSync(absolute);
    return target === root || target.startsWith(root + sep)
      ? 'symbolic link; its target is inside the folder and read there'
      : 'symbolic link that leaves the folder';
  } catch {
    return 'symbolic link to nothing';
  }
}
