import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InvalidInput, messageOf } from '#errors';
import { Corpora, type CorpusReport } from '#tools';
import type { Progress } from './progress.ts';

/**
 * Brings the indexes of the named paths up to date inside the data directory, beside whatever server uses it.
 * @returns ids of the corpora
 * @throws InvalidInput for a path that cannot be used
 */
export async function indexCorpora(
  dataDir: string,
  paths: readonly string[],
  progress: Progress,
  signal: AbortSignal,
): Promise<string[]> {
  if (paths.length === 0) return [];
  const dir = join(dataDir, 'corpora');
  try {
    await mkdir(dir, { recursive: true });
  } catch (cause) {
    throw unwritable(dataDir, cause);
  }
  const corpora = await Corpora.open(dir);
  try {
    const ids: string[] = [];
    for (const path of paths) {
      const onProgress = ({ done, total }: { done: number; total: number }): void => {
        if (total > 0) progress.status(`indexing ${path}: ${done}/${total} files`);
      };
      const report = await corpora.sync(path, { signal, onProgress }).catch((error: unknown) => {
        throw sqliteRefusals.test(messageOf(error)) ? unwritable(dataDir, error) : error;
      });
      progress.note(summary(path, report));
      ids.push(report.id);
    }
    return [...new Set(ids)];
  } finally {
    await corpora.close();
  }
}

/** What SQLite says when it cannot write: SQLITE_FULL, SQLITE_IOERR, SQLITE_READONLY, SQLITE_CANTOPEN. */
const sqliteRefusals = /disk is full|disk I\/O error|readonly database|unable to open database file/;

function unwritable(dataDir: string, cause: unknown): InvalidInput {
  const message = `the data directory cannot be written (${messageOf(cause)}). Free space or permissions there, or name another with ARGOSY_DATA_DIR`;
  return new InvalidInput([{ path: dataDir, message }], { cause });
}

function summary(path: string, report: CorpusReport): string {
  const { documents, passages, added, changed, removed, skipped, seconds, notice } = report;
  const changes = added + changed + removed === 0 ? 'unchanged' : `${added} new, ${changed} changed, ${removed} gone`;
  const left = skipped.length === 0 ? '' : leftOut(skipped.length, skipped);
  const told = notice === undefined ? '' : `; ${notice}`;
  return `${path}: ${documents} documents, ${passages} passages (${changes}) in ${seconds.toFixed(1)} s${left}${told}`;
}

/** How many files were left out, and the most common reason among those that are known by name. */
export function leftOut(count: number, known: CorpusReport['skipped']): string {
  return `; ${count} files skipped (${mostCommon(known)})`;
}

function mostCommon(skipped: CorpusReport['skipped']): string {
  const counts = new Map<string, number>();
  for (const { reason } of skipped) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const [first] = [...counts].sort((a, b) => b[1] - a[1]);
  return first === undefined ? '' : `mostly: ${first[0]}`;
}
