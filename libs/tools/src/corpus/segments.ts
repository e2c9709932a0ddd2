import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Aborted, ArgosyError, messageOf, Unavailable } from '#errors';
import { removeIndex } from './store.ts';

/** An index that was made elsewhere. */
export interface StoredSegment {
  readonly sha256: string;
  /** Its bytes in order. */
  readonly parts: AsyncIterable<Uint8Array>;
}

/** Where indexes come from that were made elsewhere. */
export interface SegmentSource {
  /**
   * @param format what this release can read
   * @returns null for a corpus that is not known there
   * @throws Unavailable while it is not ready
   */
  segment(tenantId: string, corpusId: string, format: number): Promise<StoredSegment | null>;
  /** Those of these corpora that are still there, of whichever tenant. */
  known(ids: readonly string[]): Promise<ReadonlySet<string>>;
}

/** An index that is wanted, and where. */
export interface WantedSegment {
  readonly tenantId: string;
  readonly id: string;
  readonly format: number;
  readonly file: string;
}

/** How long fetching one index may take, whoever waits for it. */
const fetchMs = 600_000;

/** Removes what processes left behind that died while they fetched; nobody fetches for an hour. */
export async function sweepDrafts(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!name.endsWith('.part')) continue;
    const { mtimeMs } = await stat(join(dir, name)).catch(() => ({ mtimeMs: Infinity }));
    if (Date.now() - mtimeMs > 3_600_000) await rm(join(dir, name), { force: true });
  }
}

/** Stands beside an index that was fetched: it is a copy, and goes when the corpus goes. */
const copyMark = '.copy';

/**
 * Removes copies of indexes whose corpora are gone.
 * @param dir folder of the indexes
 * @returns the ids
 */
export async function sweepCopies(dir: string, source: SegmentSource): Promise<string[]> {
  const marks = (await readdir(dir)).filter((name) => name.endsWith(`.sqlite${copyMark}`));
  const fileOf = new Map(marks.map((name) => [name.split('.')[0] ?? '', join(dir, name.slice(0, -copyMark.length))]));
  if (fileOf.size === 0) return [];
  const known = await source.known([...fileOf.keys()]);
  const gone = [...fileOf].filter(([id]) => !known.has(id));
  for (const [, file] of gone) {
    removeIndex(file);
    await rm(file + copyMark, { force: true });
  }
  return gone.map(([id]) => id);
}

/** Fetches indexes into files that are there whole or not at all; each once, however many ask for it at a time. */
export class SegmentCache {
  readonly #source: SegmentSource;
  readonly #fetching = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();

  constructor(source: SegmentSource) {
    this.#source = source;
  }

  /**
   * Fetches an index. `signal` ends only this caller's wait.
   * @throws Unavailable, Aborted
   */
  async fetch(wanted: WantedSegment, signal?: AbortSignal): Promise<void> {
    let fetching = this.#fetching.get(wanted.file);
    if (fetching === undefined) {
      fetching = this.#fetchOnce(wanted).finally(() => this.#fetching.delete(wanted.file));
      this.#fetching.set(wanted.file, fetching);
    }
    await unlessAborted(fetching, signal);
  }

  /** Ends what is under way; nothing of it is left. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#fetching.values());
  }

  async #fetchOnce({ tenantId, id, format, file }: WantedSegment): Promise<void> {
    const segment = await this.#source.segment(tenantId, id, format);
    if (segment === null) return;
    const draft = `${file}.${randomUUID()}.part`;
    try {
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(fetchMs)]);
      const hash = createHash('sha256');
      const hashed = async function* (): AsyncGenerator<Uint8Array> {
        for await (const part of segment.parts) {
          hash.update(part);
          yield part;
        }
      };
      await pipeline(hashed(), createWriteStream(draft, { flush: true }), { signal });
      if (hash.digest('hex') !== segment.sha256) throw new Unavailable('it did not arrive as it was stored');
      removeIndex(file);
      await writeFile(file + copyMark, '');
      await rename(draft, file);
    } catch (cause) {
      await rm(draft, { force: true });
      if (cause instanceof ArgosyError && !(cause instanceof Unavailable)) throw cause;
      throw new Unavailable(`The index of corpus ${id} could not be fetched: ${messageOf(cause)}`, { cause });
    }
  }
}

async function unlessAborted(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return await work;
  const gone = Promise.withResolvers<never>();
  const onAbort = (): void => gone.reject(new Aborted('Fetching an index was stopped', { cause: signal.reason }));
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    await Promise.race([work, gone.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    work.catch(() => undefined);
    gone.promise.catch(() => undefined);
  }
}
