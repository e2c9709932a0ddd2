import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CorpusBody, type CorpusResource, corpusBody, corpusPath, corpusResource } from '#contracts';
import { Aborted, ArgosyError, InvalidInput, messageOf, Unavailable } from '#errors';
import { type Skip, surveyFolder } from '#tools';
import { type Client, Refused } from './client.ts';
import { leftOut } from './corpora.ts';
import { type Contact, outlast } from './outage.ts';
import type { Progress } from './progress.ts';

/** Files that are read, or sent, at the same time. */
const atOnce = 4;

/** How often a folder is looked at again because it changed while it was being sent. */
const mostLooks = 3;

/** How long one file may take on its way, how long the server may take to index, and how often it is asked. */
const limitMs = { file: 600_000, indexing: 3_600_000, firstLook: 50, nextLooks: 1_000 };

/** What an upload needs of the process around it. */
export interface UploadSurroundings {
  readonly progress: Progress;
  /** Fires at the first Ctrl-C. */
  readonly interrupted: AbortSignal;
}

/**
 * Sends folders and files to a server that cannot read them itself, and waits until it has indexed them. Only what the
 * server does not have is sent. A server that goes away for a while is waited for.
 * @returns ids of the corpora
 * @throws InvalidInput for a path that cannot be used; Aborted
 */
export async function uploadCorpora(
  client: Client,
  paths: readonly string[],
  around: UploadSurroundings,
): Promise<string[]> {
  const ids: string[] = [];
  try {
    for (const path of paths) ids.push(await uploadCorpus(client, path, around));
  } catch (cause) {
    if (!around.interrupted.aborted) throw cause;
    throw new Aborted(`Interrupted. What was sent stays at ${client.url}: the same command goes on from there.`, {
      cause,
    });
  }
  return [...new Set(ids)];
}

async function uploadCorpus(client: Client, path: string, around: UploadSurroundings): Promise<string> {
  for (let look = 1; ; look++) {
    const folder = await readFolder(path, around);
    try {
      return await new Upload(client, folder, around).deliver();
    } catch (error) {
      if (!(error instanceof FolderChanged)) throw error;
      if (look === mostLooks) throw new InvalidInput([{ path, message: error.message }], { cause: error });
    }
  }
}

/** A file is not any more what its hash says. */
class FolderChanged extends ArgosyError {
  override readonly name = 'FolderChanged';
  readonly code = 'folder_changed';
  readonly retryable = true;
  constructor(path: string, options: ErrorOptions) {
    super(`${path} changes while it is being sent; try again when nothing writes to the folder`, options);
  }
}

/** A folder by the hashes of its files. */
interface Folder {
  readonly path: string;
  readonly body: CorpusBody;
  /** Where the bytes of each hash are. */
  readonly places: ReadonlyMap<string, string>;
  readonly skipped: readonly Skip[];
}

async function readFolder(path: string, { progress, interrupted }: UploadSurroundings): Promise<Folder> {
  const { name, files: found, skipped: leftAside } = await surveyFolder(path, interrupted);
  const files: CorpusBody['files'] = [];
  const places = new Map<string, string>();
  const skipped = [...leftAside];
  let done = 0;
  await inParallel(found, interrupted, async (file) => {
    progress.status(`reading ${path}: ${++done}/${found.length} files`);
    const bytes = await readFile(file.absolute).catch((error: unknown) => messageOf(error));
    if (typeof bytes === 'string') skipped.push({ path: file.path, reason: `cannot be read: ${bytes}` });
    else if (!corpusPath.safeParse(file.path).success)
      skipped.push({ path: file.path, reason: 'its name cannot be sent' });
    else if (bytes.byteLength > 0) {
      const sha256 = hash('sha256', bytes);
      files.push({ path: file.path, sha256, bytes: bytes.byteLength });
      places.set(sha256, file.absolute);
    }
  });
  const parsed = await corpusBody.safeParseAsync({ name, files });
  if (parsed.success) return { path, body: parsed.data, places, skipped };
  throw new InvalidInput(parsed.error.issues.map(({ message }) => ({ path, message })));
}

/** One folder on its way. */
class Upload {
  readonly #client: Client;
  readonly #folder: Folder;
  readonly #around: UploadSurroundings;
  readonly #startedAt = performance.now();
  readonly #sent = new Set<string>();
  #bytes = 0;

  constructor(client: Client, folder: Folder, around: UploadSurroundings) {
    this.#client = client;
    this.#folder = folder;
    this.#around = around;
  }

  /** @returns the id of the corpus once it can be searched */
  async deliver(): Promise<string> {
    const corpus = await outlast(async (contact) => {
      try {
        return await this.#attempt(contact);
      } catch (error) {
        // A request that Ctrl-C ended looks like a server that is away.
        this.#around.interrupted.throwIfAborted();
        throw error;
      }
    }, this.#around);
    this.#around.progress.note(this.#summary(corpus));
    return corpus.id;
  }

  /** Safe to repeat: the server says what it still needs. */
  async #attempt(contact: Contact): Promise<CorpusResource> {
    let corpus = await this.#offer();
    contact.made();
    while (corpus.status === 'uploading') {
      const { missing } = corpus;
      const before = this.#sent.size;
      await this.#sendAll(missing);
      if (missing.length > 0 && this.#sent.size === before) {
        throw new Unavailable(`${this.#client.url} takes files and does not keep them.`);
      }
      corpus = missing.length === 0 ? await this.#offer() : await this.#look(corpus.id);
    }
    return await this.#indexed(corpus);
  }

  async #sendAll(missing: readonly string[]): Promise<void> {
    const { path, body } = this.#folder;
    const total = body.files.length;
    await inParallel(missing, this.#around.interrupted, async (sha256) => {
      await this.#send(sha256);
      this.#around.progress.status(`sending ${path}: ${this.#sent.size} of ${total} files`);
    });
  }

  async #send(sha256: string): Promise<void> {
    const place = this.#folder.places.get(sha256) ?? '';
    const bytes = await readFile(place).catch((cause: unknown) => {
      throw new FolderChanged(place, { cause });
    });
    const headers = { 'content-type': 'application/octet-stream' };
    const init = { method: 'PUT', body: bytes, headers, signal: this.#around.interrupted };
    try {
      await this.#client.send(`/v1/corpora/files/${sha256}`, init, limitMs.file);
    } catch (cause) {
      if (cause instanceof Refused && cause.code === 'hash_mismatch') throw new FolderChanged(place, { cause });
      throw cause;
    }
    if (!this.#sent.has(sha256)) this.#bytes += bytes.byteLength;
    this.#sent.add(sha256);
  }

  async #indexed(offered: CorpusResource): Promise<CorpusResource> {
    const { path } = this.#folder;
    let corpus = offered;
    let pauseMs = limitMs.firstLook;
    while (corpus.status === 'indexing') {
      this.#around.progress.status(`waiting for ${path} to be indexed`);
      if (performance.now() - this.#startedAt > limitMs.indexing) {
        throw new Unavailable(`${path} was not indexed within an hour. Is a tool worker running?`);
      }
      await sleep(pauseMs, undefined, { signal: this.#around.interrupted });
      pauseMs = Math.min(2 * pauseMs, limitMs.nextLooks);
      corpus = await this.#look(corpus.id);
    }
    if (corpus.status === 'ready') return corpus;
    throw new InvalidInput([{ path, message: `the server cannot index it: ${corpus.error ?? corpus.status}` }]);
  }

  async #offer(): Promise<CorpusResource> {
    const headers = { 'content-type': 'application/json' };
    return await this.#ask('/v1/corpora', { method: 'POST', headers, body: JSON.stringify(this.#folder.body) });
  }

  async #look(id: string): Promise<CorpusResource> {
    return await this.#ask(`/v1/corpora/${id}`);
  }

  async #ask(path: string, init: RequestInit = {}): Promise<CorpusResource> {
    const response = await this.#client.send(path, { ...init, signal: this.#around.interrupted });
    return corpusResource.parse(await response.json());
  }

  #summary({ documents, passages, skipped, skips }: CorpusResource): string {
    const { path, body, skipped: here } = this.#folder;
    const left = here.length + (skipped ?? 0);
    const sent = `${this.#sent.size} of ${body.files.length} files sent (${sizeOf(this.#bytes)})`;
    const seconds = ((performance.now() - this.#startedAt) / 1000).toFixed(1);
    const leftText = left === 0 ? '' : leftOut(left, [...here, ...skips]);
    return `${path}: ${documents} documents, ${passages} passages; ${sent} in ${seconds} s${leftText}`;
  }
}

function sizeOf(bytes: number): string {
  if (bytes < 100_000) return `${(bytes / 1000).toFixed(1)} KB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** A few at a time, in order. The first fault ends it, once what is under way has ended. */
async function inParallel<T>(
  items: readonly T[],
  signal: AbortSignal,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  const faults: unknown[] = [];
  const hand = async (): Promise<void> => {
    for (const item of rest) {
      if (signal.aborted) faults.push(signal.reason);
      if (faults.length > 0) return;
      await work(item).catch((error: unknown) => faults.push(error));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, hand));
  if (faults.length > 0) throw faults[0];
}
