import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '#errors';
import type { Logger } from '#platform';
import type { Answering, FaultyRing, IndexCorpus, Membership, Runs } from '#runs';
import type { Corpora, CorpusReport } from '#tools';

/** Files without a document that a client is told by name. */
const mostSkips = 20;

/** Begins the name of every temporary folder. */
const prefix = 'argosy-indexing-';

/** A temporary folder this old belongs to a worker that died. */
const staleMs = 86_400_000;

export interface IndexerParts {
  readonly runs: Runs;
  readonly corpora: Pick<Corpora, 'build'>;
  readonly logger: Logger;
}

/** Reads in uploaded folders, one at a time: the thread that does it has no more than one hand. */
export async function answerCorpora(member: Membership, parts: IndexerParts): Promise<Answering> {
  const { runs, logger } = parts;
  await sweepFolders();
  const onFault = (error: unknown, { runId: corpusId }: FaultyRing): void => {
    logger.log('error', 'corpus failed in its worker', { corpusId, message: messageOf(error) });
  };
  return await runs.corpora.answer(member, { concurrency: 1, onFault }, indexWith(parts));
}

/**
 * Copies the files of a folder into a temporary one, makes their index and stores it. What a worker leaves half done is
 * done again from the uploaded files.
 */
function indexWith({ runs, corpora, logger }: IndexerParts): IndexCorpus {
  return async (claim, signal) => {
    const { corpusId: id, name, attempt } = claim;
    const folder = await mkdtemp(join(tmpdir(), prefix));
    try {
      const copies = await runs.corpora.copyFiles(claim, folder, signal);
      const files = copies.map(({ path, sha256 }) => ({ path, absolute: join(folder, sha256) }));
      const file = join(folder, 'index.sqlite');
      const report = await corpora.build({ id, name, file, files }, { signal });
      const kept = await runs.corpora.keep(claim, { ...outcomeOf(report), source: createReadStream(file, { signal }) });
      const { documents, passages, seconds } = report;
      logger.log('info', 'corpus indexed', { corpusId: id, attempt, kept, documents, passages, ms: seconds * 1000 });
    } finally {
      // The thread may still be writing when it was stopped.
      await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    }
  };
}

async function sweepFolders(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(prefix)) continue;
    const folder = join(tmpdir(), name);
    const { mtimeMs } = await stat(folder).catch(() => ({ mtimeMs: Infinity }));
    // Of another user, perhaps; then it is not ours to remove.
    if (Date.now() - mtimeMs > staleMs) await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

function outcomeOf({ format, documents, passages, skipped }: CorpusReport) {
  return { format, documents, passages, skipped: skipped.length, skips: skipped.slice(0, mostSkips) };
}
