import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { NotFound, Unavailable } from '#errors';
import { Thread } from '../thread/thread.ts';
import type { IndexRequest } from './index-thread.ts';
import type { ReadRequest } from './reader-thread.ts';
import { SegmentCache, type SegmentSource, sweepCopies, sweepDrafts } from './segments.ts';
import type {
  Candidate,
  CorpusDocument,
  CorpusFile,
  CorpusReport,
  Statistics,
  SyncProgress,
  TermQuery,
} from './types.ts';
import type { NamedFile } from './walk.ts';

/** `queryMs`: longest wait for an answer from an index, default 30,000. `heapMb`: heap of each thread, default 1,024. */
export interface CorporaOptions {
  readonly queryMs?: number;
  readonly heapMb?: number;
  /** Where indexes come from that were made elsewhere; without it there are only those of this folder. */
  readonly segments?: SegmentSource;
}

/** How often copies of deleted corpora are looked for. */
const sweepMs = 60_000;

/** An index to be made at `file` of files that lie anywhere; their paths name the documents. */
export interface BuildRequest {
  readonly id: string;
  readonly name: string;
  readonly file: string;
  readonly files: readonly NamedFile[];
}

/** How a sync is followed and stopped. */
export interface SyncOptions {
  readonly onProgress?: ((progress: SyncProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Folders and files on this machine that can be searched: one index per root, kept as one SQLite file under a folder of
 * ours. All work is done in two threads, one that writes and one that reads, so searching goes on while indexing does.
 * Any number of processes may use the same folder.
 */
export class Corpora {
  readonly #dir: string;
  readonly #queryMs: number;
  readonly #heapMb: number;
  readonly #segments: SegmentCache | null;
  /** As written in each index; two corpora of a question may have the same. */
  readonly #names = new Map<string, string>();
  #writer: Thread | null = null;
  #reader: Thread | null = null;
  #sweeping: NodeJS.Timeout | undefined;
  #naming: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(dir: string, options: CorporaOptions) {
    this.#dir = dir;
    this.#queryMs = options.queryMs ?? 30_000;
    this.#heapMb = options.heapMb ?? 1_024;
    this.#segments = options.segments === undefined ? null : new SegmentCache(options.segments);
  }

  /** @param dir folder of the indexes, made where it is missing */
  static async open(dir: string, options: CorporaOptions = {}): Promise<Corpora> {
    const absolute = resolve(dir);
    await mkdir(absolute, { recursive: true });
    const corpora = new Corpora(absolute, options);
    const { segments } = options;
    if (segments === undefined) return corpora;
    await sweepDrafts(absolute);
    // What a look could not ask, the next one does.
    corpora.#sweeping = setInterval(() => corpora.forgetGone(segments).catch(() => undefined), sweepMs).unref();
    return corpora;
  }

  /** Removes copies of indexes whose corpora were deleted where they came from; done once a minute, too. */
  async forgetGone(segments: SegmentSource): Promise<void> {
    for (const id of await sweepCopies(this.#dir, segments)) this.#names.delete(id);
  }

  /**
   * Brings the index of a folder (or single file) up to date: reads what is new or changed, forgets what is gone.
   * Cost: a stat per file, plus about 1 ms per changed small file. Safe to stop or kill at any point.
   * @throws InvalidInput when the path is missing, unreadable or holds nothing that can be used; Aborted
   */
  async sync(path: string, options: SyncOptions = {}): Promise<CorpusReport> {
    const { signal } = options;
    const place = (await this.#write({ kind: 'locate', path: resolve(path) }, options)) as {
      real: string;
      id: string;
      name: string;
    }; // locate's answer
    // Names are settled one sync after the other: two roots of the same base name must not both take it.
    const turn = this.#naming.then(async () => {
      const taken = [...this.#names].filter(([id]) => id !== place.id).map(([, name]) => name);
      const { id, real, name } = place;
      const request = { kind: 'sync', id, file: this.#file(id), path: real, name, taken } as const;
      const report = (await this.#write(request, { signal, onProgress: options.onProgress })) as CorpusReport;
      this.#names.set(report.id, report.name);
      return report;
    });
    this.#naming = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Makes an index that never changes, as one file without side files.
   * @throws InvalidInput when nothing can be used; Aborted
   */
  async build({ id, name, file, files }: BuildRequest, options: SyncOptions = {}): Promise<CorpusReport> {
    const request = { kind: 'sync', id, file, path: name, name, taken: [], files } as const;
    return (await this.#write(request, options)) as CorpusReport; // index-thread's answer
  }

  /**
   * Makes sure that indexes of a tenant are here which may have been made elsewhere; each is fetched once. Call it before
   * any of the following. One that nobody knows stays missing.
   * @throws Unavailable while an index is not ready or cannot be fetched, Aborted
   */
  async provide(tenantId: string, ids: readonly string[], signal?: AbortSignal): Promise<void> {
    const segments = this.#segments;
    if (segments === null) return;
    const provideOne = async (id: string): Promise<void> => {
      const file = this.#file(id);
      const { usable, format } = (await this.#read({ kind: 'probe', file }, signal)) as Probe; // reader-thread's answer
      if (!usable) await segments.fetch({ tenantId, id, format, file }, signal);
    };
    await Promise.all([...new Set(ids)].map(provideOne));
  }

  /**
   * The best passages for a question, by its words and by its meaning, best first; at most ten, none that repeats a
   * better one. Cost: about 30 ms at 12,000 passages, in the reader thread.
   * @throws as {@link match}
   */
  async search(ids: readonly string[], question: string, signal?: AbortSignal): Promise<Candidate[]> {
    const corpora = await this.#files(ids, signal);
    return (await this.#read({ kind: 'search', corpora, question }, signal)) as Candidate[]; // reader-thread's answer
  }

  /**
   * Passages that hold any term of the query, best BM25 first (title x2, headings x3, body x1).
   * @throws NotFound for an id without an index, Unavailable, DeadlineExceeded, Aborted
   */
  async match(ids: readonly string[], query: TermQuery, limit: number, signal?: AbortSignal): Promise<Candidate[]> {
    const corpora = await this.#files(ids, signal);
    return (await this.#read({ kind: 'match', corpora, query, limit }, signal)) as Candidate[]; // reader-thread's answer
  }

  /** How common terms are in the corpora, for idf. A term is counted as the index stems it. @throws as {@link match} */
  async statistics(ids: readonly string[], terms: readonly string[], signal?: AbortSignal): Promise<Statistics> {
    const corpora = await this.#files(ids, signal);
    return (await this.#read({ kind: 'statistics', corpora, terms }, signal)) as Statistics; // reader-thread's answer
  }

  /** A document by its `corpus:` address; null when none of the corpora has it. @throws as {@link match} */
  async document(ids: readonly string[], uri: string, signal?: AbortSignal): Promise<CorpusDocument | null> {
    const corpora = await this.#files(ids, signal);
    return (await this.#read({ kind: 'document', corpora, uri }, signal)) as CorpusDocument | null; // as above
  }

  /** Snapshot texts by sha256, from the named corpora; what they do not hold is missing. @throws as {@link match} */
  async texts(ids: readonly string[], hashes: readonly string[], signal?: AbortSignal): Promise<Map<string, string>> {
    const corpora = await this.#files(ids, signal);
    return (await this.#read({ kind: 'texts', corpora, hashes }, signal)) as Map<string, string>; // as above
  }

  /** One snapshot text, from any corpus that this object has opened; null when none holds it. @throws as {@link match} */
  async text(sha256: string, signal?: AbortSignal): Promise<string | null> {
    return (await this.texts([...this.#names.keys()], [sha256], signal)).get(sha256) ?? null;
  }

  /**
   * The control for benchmarks: all words of the question joined by OR, FTS5's default bm25, nothing else.
   * @throws as {@link match}
   */
  async plainSearch(ids: readonly string[], question: string, k: number, signal?: AbortSignal): Promise<Candidate[]> {
    const corpora = await this.#files(ids, signal);
    return (await this.#read({ kind: 'plain', corpora, question, limit: k }, signal)) as Candidate[]; // as above
  }

  /** Ends the threads; a sync under way keeps what it had written. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeping);
    await this.#segments?.close();
    await Promise.all([this.#writer?.terminate(), this.#reader?.terminate()]);
  }

  /** Ids come from requests: only our own form may become a file name. */
  #file(id: string): string {
    if (!/^c_[0-9a-f]{16}$/.test(id)) throw new NotFound(`"${id}" is not the id of a corpus.`);
    return join(this.#dir, `${id}.sqlite`);
  }

  async #files(ids: readonly string[], signal: AbortSignal | undefined): Promise<CorpusFile[]> {
    const files: CorpusFile[] = [];
    const taken = new Set<string>();
    for (const id of new Set(ids)) {
      const file = this.#file(id);
      const own = this.#names.get(id) ?? (await this.#nameOf(id, file, signal));
      // By the order of the ids, so that every process that is asked about them gives them the same names.
      let name = own;
      for (let n = 2; taken.has(name); n++) name = `${own}~${n}`;
      taken.add(name);
      files.push({ id, file, name });
    }
    return files;
  }

  /** The name of an index that another process (or an earlier one) made. */
  async #nameOf(id: string, file: string, signal: AbortSignal | undefined): Promise<string> {
    const { name } = (await this.#read({ kind: 'describe', file, id }, signal)) as { name: string }; // reader-thread's
    this.#names.set(id, name);
    return name;
  }

  #read(request: ReadRequest, signal: AbortSignal | undefined): Promise<unknown> {
    this.#reader = this.#alive(this.#reader, 'reader-thread');
    return this.#reader.call(request, { what: 'Searching the corpora', timeoutMs: this.#queryMs, signal });
  }

  #write(request: IndexRequest, options: SyncOptions): Promise<unknown> {
    this.#writer = this.#alive(this.#writer, 'index-thread');
    const onProgress = options.onProgress as ((value: unknown) => void) | undefined; // the thread sends SyncProgress
    return this.#writer.call(request, { what: 'Reading in the corpus', signal: options.signal, onProgress });
  }

  #alive(thread: Thread | null, name: string): Thread {
    if (this.#closed) throw new Unavailable('The corpora have been closed.');
    return thread && !thread.dead ? thread : Thread.spawn(name, import.meta.url, this.#heapMb);
  }
}

interface Probe {
  readonly usable: boolean;
  readonly format: number;
}
