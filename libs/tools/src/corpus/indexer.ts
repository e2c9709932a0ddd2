import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Aborted, InvalidInput, messageOf } from '#errors';
import { declaredCharset } from '../text/charset.ts';
import type { DocumentType, Extracted } from '../text/document.ts';
import type { Extraction } from '../text/extraction.ts';
import { extractText } from '../text/snapshot.ts';
import { type FileResult, indexVersion, isDamage, type KnownFile, removeIndex, Store } from './store.ts';
import { look, nothingUsable } from './survey.ts';
import type { CorpusReport, SyncProgress } from './types.ts';
import { type Found, type FoundFile, listed, type NamedFile, type Skip } from './walk.ts';

/** Text per write transaction: small enough that another process gets its turn, large enough to be fast. */
const BATCH_CHARACTERS = 2_000_000;
const BATCH_FILES = 400;
/** Local files may be large and are the user's own: more time than a page from the web gets. */
const EXTRACT_MS = { html: 60_000, pdf: 120_000 } as const;
/** Files handed to the extraction threads ahead of the one being waited for. */
const AHEAD = 4;
/** From this many new files on, the index is merged at the end. */
const MERGE_FROM = 1_000;

/** One sync: `path` into the index at `file`, under `name` unless the index has one already. */
export interface SyncRequest {
  readonly id: string;
  readonly file: string;
  /** The root's real path. */
  readonly path: string;
  readonly name: string;
  /** Names of other open corpora. */
  readonly taken: readonly string[];
  /** The files where `path` is only a name, and the index is made once and never changed. */
  readonly files?: readonly NamedFile[];
}

/** What the indexer needs from its thread. */
export interface SyncContext {
  readonly extraction: Extraction;
  readonly signal: AbortSignal;
  readonly progress: (state: SyncProgress) => void;
}

/**
 * Brings an index up to date with its folder. Killed at any point, the next run carries on from the last batch.
 * @throws InvalidInput when nothing in the path can be used, Aborted
 */
export async function sync(request: SyncRequest, context: SyncContext): Promise<CorpusReport> {
  try {
    return await syncOnce(request, context);
  } catch (error) {
    if (!isDamage(error)) throw error;
    removeIndex(request.file);
    return { ...(await syncOnce(request, context)), notice: 'The index was damaged and has been built anew.' };
  }
}

async function syncOnce(request: SyncRequest, context: SyncContext): Promise<CorpusReport> {
  const started = performance.now();
  context.progress({ phase: 'looking', done: 0, total: 0 });
  const found = request.files === undefined ? look(request.path) : listed(request.files);
  const { store, notice } = Store.open(request.file);
  try {
    const name = settleName(store, request);
    const known = store.files();
    const vanished = dropVanished(store, found, known);
    const run = new SyncRun(store, context, known);
    await run.readAll(found.files);
    context.progress({ phase: 'finishing', done: found.files.length, total: found.files.length });
    if (run.added + run.changed >= MERGE_FROM) store.optimise();
    if (request.files !== undefined) store.seal();
    const skipped = [...found.skipped, ...skipsOf(store)];
    const counts = store.counts();
    if (counts.documents === 0) throw nothingUsable(request.path, skipped);
    const { added, changed } = run;
    const removed = vanished + run.removed;
    const seconds = Math.round(performance.now() - started) / 1_000;
    const format = indexVersion();
    const report = { id: request.id, name, ...counts, added, changed, removed, skipped, seconds, format };
    return notice ? { ...report, notice } : report;
  } finally {
    store.close();
  }
}

function settleName(store: Store, { name, taken, path }: SyncRequest): string {
  const kept = store.setting('name');
  if (kept !== null && !taken.includes(kept)) return kept;
  let free = name;
  for (let n = 2; taken.includes(free); n++) free = `${name}~${n}`;
  store.transaction(() => {
    store.set('name', free);
    store.set('root', path);
  });
  return free;
}

function dropVanished(store: Store, found: Found, known: ReadonlyMap<string, KnownFile>): number {
  const present = new Set(found.files.map((file) => file.path));
  const gone = [...known.keys()].filter((path) => !present.has(path));
  if (gone.length > 0) {
    store.transaction(() => {
      for (const path of gone) store.drop(path);
    });
  }
  return gone.filter((path) => known.get(path)?.reason === null).length;
}

function skipsOf(store: Store): Skip[] {
  const skips: Skip[] = [];
  for (const { path, reason } of store.files().values()) if (reason !== null) skips.push({ path, reason });
  for (const [path, first] of store.duplicates()) skips.push({ path, reason: `same content as ${first}` });
  return skips;
}

/** The reading of one sync: what is under way and what waits to be written. */
class SyncRun {
  added = 0;
  changed = 0;
  removed = 0;
  readonly #store: Store;
  readonly #context: SyncContext;
  readonly #known: ReadonlyMap<string, KnownFile>;
  readonly #readAt = new Date().toISOString();
  /** Documents of this sync that are not written yet, by content and type. */
  readonly #reading = new Set<string>();
  #batch: FileResult[] = [];
  #touched: FoundFile[] = [];
  #characters = 0;

  constructor(store: Store, context: SyncContext, known: ReadonlyMap<string, KnownFile>) {
    this.#store = store;
    this.#context = context;
    this.#known = known;
  }

  async readAll(files: readonly FoundFile[]): Promise<void> {
    const changed = files.filter((file) => !this.#isUnchanged(file));
    const under: Promise<void>[] = [];
    let done = 0;
    for (const file of changed) {
      const reading = this.#read(file);
      // Each is awaited below; a failure of a later one must not count as unhandled until then.
      reading?.catch(() => undefined);
      if (reading) under.push(reading);
      if (under.length >= AHEAD) await under.shift();
      if (++done % 32 === 0) await this.#breathe(done, changed.length);
      if (this.#batch.length >= BATCH_FILES || this.#characters >= BATCH_CHARACTERS) this.#flush();
    }
    await Promise.all(under);
    this.#flush();
  }

  #isUnchanged(file: FoundFile): boolean {
    const known = this.#known.get(file.path);
    return known !== undefined && known.size === file.size && known.mtimeMs === file.mtimeMs;
  }

  /** Lets the thread hear a cancel. */
  async #breathe(done: number, total: number): Promise<void> {
    this.#context.progress({ phase: 'reading', done, total });
    await nextTurn();
    if (!this.#context.signal.aborted) return;
    this.#flush();
    throw new Aborted('Indexing was stopped; what was read so far is kept.');
  }

  /** Reads one file; returns a promise only when a thread has to work on it. */
  #read(file: FoundFile): Promise<void> | undefined {
    let bytes: Buffer;
    try {
      bytes = readFileSync(file.absolute);
    } catch (error) {
      this.#takeForNow(file, `cannot be read: ${messageOf(error)}`);
      return undefined;
    }
    const content = hash('sha256', bytes);
    if (this.#known.get(file.path)?.content === content) {
      this.#touched.push(file);
      return undefined;
    }
    const key = `${content} ${file.type}`;
    if (this.#reading.has(key)) this.#flush();
    if (this.#takeDuplicate(file, content)) return undefined;
    const reason = contentReason(bytes, file);
    if (reason !== null) {
      this.#take(file, content, { reason });
      return undefined;
    }
    this.#reading.add(key);
    if (file.type === 'html' || file.type === 'pdf') return this.#extract(file, content, bytes);
    this.#take(file, content, attempt(bytes, file.type));
    return undefined;
  }

  /** Written before and at once: other files of a batch may end the document that this one shares. */
  #takeDuplicate(file: FoundFile, content: string): boolean {
    if (this.#store.documentOf(content, file.type) === null) return false;
    this.#flush();
    if (this.#store.documentOf(content, file.type) === null) return false;
    this.#take(file, content, 'duplicate');
    this.#flush();
    return true;
  }

  async #extract(file: FoundFile, content: string, bytes: Uint8Array): Promise<void> {
    const limits = { timeoutMs: EXTRACT_MS[file.type === 'pdf' ? 'pdf' : 'html'], signal: this.#context.signal };
    try {
      this.#take(file, content, await this.#context.extraction.extract({ bytes, type: file.type }, limits));
    } catch (error) {
      if (error instanceof Aborted) throw error;
      if (error instanceof InvalidInput) this.#take(file, content, { reason: error.message });
      else this.#takeForNow(file, messageOf(error));
    }
  }

  /** A failure that may be gone the next time: remembered so that the next sync tries the file again. */
  #takeForNow(file: FoundFile, reason: string): void {
    this.#take({ ...file, mtimeMs: -1 }, '', { reason });
  }

  #take(file: FoundFile, content: string, result: FileResult['result']): void {
    const was = this.#known.get(file.path)?.reason === null;
    const is = result === 'duplicate' || 'text' in result;
    if (is && was) this.changed++;
    else if (is) this.added++;
    else if (was) this.removed++;
    const { path, size, mtimeMs, type } = file;
    this.#batch.push({ path, size, mtimeMs, content, type, result });
    if (result !== 'duplicate' && 'text' in result) this.#characters += result.text.length;
  }

  #flush(): void {
    if (this.#batch.length === 0 && this.#touched.length === 0) return;
    this.#store.transaction(() => {
      for (const file of this.#batch) this.#store.put(file, this.#readAt);
      for (const file of this.#touched) this.#store.touch(file.path, file.size, file.mtimeMs);
    });
    this.#batch = [];
    this.#touched = [];
    this.#characters = 0;
    this.#reading.clear();
  }
}

/** Why a file's bytes are not text to be indexed; null when they are. */
function contentReason(bytes: Buffer, { type, path }: FoundFile): string | null {
  if (type === 'pdf') return null;
  if (bytes.includes(0)) return 'binary content';
  if (!isUtf8(bytes) && !(type === 'html' && declaredCharset(bytes))) return 'not UTF-8 text';
  return type === 'code' && /\.(?:[mc]?js|css)$/i.test(path) && isMinified(bytes) ? 'minified bundle' : null;
}

/** Hand-written code has short lines; bundles have few and endless ones. */
function isMinified(bytes: Buffer): boolean {
  if (bytes.length < 20_000) return false;
  let lines = 1;
  for (const byte of bytes) if (byte === 10) lines++;
  return bytes.length / lines > 400;
}

function attempt(bytes: Buffer, type: DocumentType): Extracted | { reason: string } {
  try {
    return extractText(bytes.toString('utf8'), type);
  } catch (error) {
    if (error instanceof InvalidInput) return { reason: error.message };
    throw error;
  }
}
