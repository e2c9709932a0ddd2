import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CorpusFile } from '#contracts';
import type { Depot } from '../objects/loose.ts';
import { readContent, readParts } from './contents.ts';
import type { CorpusKey } from './records.ts';

/** What is read of small files with one statement. */
const groupBytes = 4 * 1024 * 1024;
const groupFiles = 500;

interface StoredFile extends CorpusFile {
  readonly contentId: string;
}

/** Writes each different file of a corpus into `folder` under its hash. @returns all of its files, in order of path */
export async function copyFiles(
  depot: Depot,
  { tenantId, corpusId }: CorpusKey,
  folder: string,
  signal: AbortSignal,
): Promise<CorpusFile[]> {
  const { rows } = await depot.database.query<StoredFile>(
    `SELECT f.path, f.sha256, a.bytes, a.content_id AS "contentId" FROM argosy.corpus_files f
     JOIN argosy.files a ON a.tenant_id = f.tenant_id AND a.sha256 = f.sha256
     WHERE f.tenant_id = $1 AND f.corpus_id = $2 ORDER BY f.path COLLATE "C"`,
    [tenantId, corpusId],
  );
  const different = new Map(rows.map((row) => [row.sha256, row]));
  for (const group of groupsOf([...different.values()])) {
    signal.throwIfAborted();
    const [first] = group;
    if (group.length === 1 && first !== undefined) await copyLarge(depot, tenantId, first, folder);
    else await copySmall(depot, tenantId, group, folder);
  }
  return rows.map(({ path, sha256, bytes }) => ({ path, sha256, bytes }));
}

/** Small files together, large ones alone. */
function groupsOf(files: readonly StoredFile[]): StoredFile[][] {
  const groups: StoredFile[][] = [];
  let group: StoredFile[] = [];
  let size = 0;
  for (const file of files.toSorted((a, b) => a.bytes - b.bytes)) {
    if (group.length > 0 && (size + file.bytes > groupBytes || group.length === groupFiles)) {
      groups.push(group);
      group = [];
      size = 0;
    }
    group.push(file);
    size += file.bytes;
  }
  return group.length > 0 ? [...groups, group] : groups;
}

async function copyLarge(depot: Depot, tenantId: string, file: StoredFile, folder: string): Promise<void> {
  await writeFile(join(folder, file.sha256), readContent(depot, tenantId, file.contentId));
}

async function copySmall(depot: Depot, tenantId: string, group: readonly StoredFile[], folder: string): Promise<void> {
  const names = new Map(group.map(({ contentId, sha256 }) => [contentId, sha256]));
  for (const { contentId, part, data } of await readParts(depot, tenantId, 'content_id = ANY ($2)', [
    [...names.keys()],
  ])) {
    await writeFile(join(folder, names.get(contentId) ?? contentId), data, { flag: part === 0 ? 'w' : 'a' });
  }
}
