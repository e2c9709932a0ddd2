/** What `argosy inference fetch` does: a checkpoint onto a volume, once, for all that share it. */
import { mkdir, readFile, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { Aborted, ArgosyError, InvalidInput, messageOf } from '#errors';
import { begunBytes, type Download, type DownloadTimes, download, sha256Of, usualDownloadTimes } from './download.ts';
import { type HeldFile, isWhole, type Manifest, readManifest, writeManifest } from './manifest.ts';
import type { Source } from './source.ts';
import { FolderSource } from './source-folder.ts';
import { UrlSource } from './source-url.ts';
import { type LockTimes, usualLockTimes, VolumeLock } from './volume-lock.ts';
import {
  filesOfIndex,
  furtherFiles,
  indexFile,
  neededFiles,
  onlyFile,
  readSums,
  type WantedFiles,
} from './wanted-files.ts';

export interface FetchRequest {
  /** A folder, or an http or https address below which the files lie. */
  readonly from: string;
  /** Folder that becomes the checkpoint. */
  readonly to: string;
  /** File as `sha256sum` writes it, which names every file; null: names are taken from the checkpoint itself. */
  readonly sha256s: string | null;
  /** Also reads again what is there already. */
  readonly rehash: boolean;
}

export interface FetchOptions {
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
  readonly downloadTimes?: DownloadTimes;
  readonly lockTimes?: LockTimes;
}

/** Kept free for whoever else writes to the volume. */
const marginBytes = 64 * 2 ** 20;

/**
 * A volume that holds all of it already is looked at, not read: names, lengths, and the hashes of its manifest. Of several
 * that begin at the same time one works and the others wait. What was begun and broken off is gone on with.
 * @returns what the volume holds
 * @throws InvalidInput, WrongHash, Unavailable, VolumeFull, or DeadlineExceeded when another one holds the volume for too long
 */
export async function fetchWeights(request: FetchRequest, options: FetchOptions): Promise<Manifest> {
  const { to } = request;
  const source = /^https?:/i.test(request.from) ? new UrlSource(request.from) : new FolderSource(request.from);
  const sums = request.sha256s === null ? null : await readSums(request.sha256s);
  await mkdir(to, { recursive: true }).catch((error: unknown) => {
    throw new InvalidInput([{ path: '--to', message: `cannot be made: ${messageOf(error)}` }], { cause: error });
  });
  const held = async () => await heldBy(to, source, sums);
  const ready = request.rehash ? null : await held();
  if (ready !== null) return ready;
  const lock = await VolumeLock.take(to, options.lockTimes ?? usualLockTimes, {
    waiting: () => options.say(`another process writes to ${to}: waiting for it`),
    isDone: async () => !request.rehash && (await held()) !== null,
    signal: options.signal,
  });
  if (lock === null) return (await held()) ?? (await fetchWeights(request, options));
  try {
    const signal = AbortSignal.any([options.signal, lock.lost]);
    return await new Fetching(source, request, { ...options, signal }).run(sums);
  } catch (error) {
    if (lock.lost.aborted) throw new Aborted(`another process took ${to} over: this one had been silent for too long`);
    if (options.signal.aborted) throw new Aborted('stopped. What has come is kept: the same command goes on with it');
    throw error;
  } finally {
    await lock.release();
  }
}

/** @returns null when something is missing or other than it should be */
async function heldBy(to: string, source: Source, sums: ReadonlyMap<string, string> | null): Promise<Manifest | null> {
  const manifest = await readManifest(to);
  // With hashes it does not matter whence they came.
  if (manifest === null || (sums === null && manifest.from !== source.name)) return null;
  return (await isWhole(to, manifest, sums)) ? manifest : null;
}

/** The work of one that has the lock. */
class Fetching {
  readonly #source: Source;
  readonly #request: FetchRequest;
  readonly #options: FetchOptions;

  constructor(source: Source, request: FetchRequest, options: FetchOptions) {
    this.#source = source;
    this.#request = request;
    this.#options = options;
  }

  async run(sums: ReadonlyMap<string, string> | null): Promise<Manifest> {
    const kept = await this.#kept(sums !== null);
    const files = new Map<string, HeldFile>();
    const wanted = sums ?? (await this.#named(files));
    const missing = [...wanted].filter(([name, sha256]) => {
      const file = files.get(name) ?? kept.get(name);
      if (file === undefined || (sha256 !== null && file.sha256 !== sha256)) return true;
      files.set(name, file);
      return false;
    });
    await this.#room(missing.map(([name]) => name));
    for (const [name, sha256] of missing) files.set(name, await this.#download(name, sha256));
    const byName = [...files.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const manifest: Manifest = { version: 1, from: this.#source.name, files: byName };
    await writeManifest(this.#request.to, manifest);
    return manifest;
  }

  /** Files that an earlier run stored from here and that are as they were; read again where that is asked for. */
  async #kept(fromAnywhere: boolean): Promise<ReadonlyMap<string, HeldFile>> {
    const { to, rehash } = this.#request;
    const manifest = await readManifest(to);
    const kept = new Map<string, HeldFile>();
    if (manifest === null || (!fromAnywhere && manifest.from !== this.#source.name)) return kept;
    for (const file of manifest.files) {
      const whole = await isWhole(to, { ...manifest, files: [file] }, null);
      const same = whole && (!rehash || (await sha256Of(join(to, file.name), this.#options.signal)) === file.sha256);
      if (same) kept.set(file.name, file);
      else this.#options.say(`${file.name} is not as it was: it is fetched again`);
    }
    return kept;
  }

  /** What the checkpoint itself names. Small files are fetched for that, and noted. */
  async #named(files: Map<string, HeldFile>): Promise<WantedFiles> {
    const listed = await this.#source.list();
    if (listed !== null) {
      const absent = neededFiles.filter((name) => !listed.includes(name));
      if (absent.length === 0) return new Map(listed.map((name) => [name, null]));
      throw new InvalidInput(
        absent.map((path) => ({ path, message: `is not in ${this.#source.name}: it is no checkpoint` })),
      );
    }
    const wanted = new Map<string, null>(neededFiles.map((name) => [name, null]));
    for (const name of furtherFiles) if (await this.#isThere(name)) wanted.set(name, null);
    if (!(await this.#isThere(indexFile))) return wanted.set(onlyFile, null);
    files.set(indexFile, await this.#download(indexFile, null));
    const text = await readFile(join(this.#request.to, indexFile), 'utf8');
    for (const name of [indexFile, ...filesOfIndex(text)]) wanted.set(name, null);
    return wanted;
  }

  /** @throws Unavailable when the source says nothing for too long */
  async #size(name: string): Promise<number | null> {
    const { signal, downloadTimes: { silenceMs } = usualDownloadTimes } = this.#options;
    return await this.#source.size(name, AbortSignal.any([signal, AbortSignal.timeout(silenceMs)]));
  }

  async #isThere(name: string): Promise<boolean> {
    try {
      await this.#size(name);
      return true;
    } catch (error) {
      if (error instanceof InvalidInput) return false;
      throw error;
    }
  }

  /** @throws VolumeFull before anything is fetched that would not fit */
  async #room(names: readonly string[]): Promise<void> {
    let needed = 0;
    for (const name of names) {
      const size = (await this.#size(name)) ?? 0;
      needed += Math.max(0, size - (await begunBytes(this.#request.to, name)));
    }
    const { bavail, bsize } = await statfs(this.#request.to);
    if (needed > 0 && needed + marginBytes > bavail * bsize)
      throw new VolumeFull(this.#request.to, needed, bavail * bsize);
    if (names.length > 0) this.#options.say(`${names.length} files, ${gigabytes(needed)} from ${this.#source.name}`);
  }

  async #download(file: string, sha256: string | null): Promise<HeldFile> {
    const { signal, downloadTimes: times = usualDownloadTimes, say } = this.#options;
    const wanted: Download = { source: this.#source, volume: this.#request.to, file, sha256, times, signal };
    const held = await download(wanted);
    say(`${file}: ${gigabytes(held.bytes)}, sha256 ${held.sha256}`);
    return held;
  }
}

class VolumeFull extends ArgosyError {
  override readonly name = 'VolumeFull';
  readonly code = 'volume_full';
  readonly retryable = false;
  constructor(volume: string, neededBytes: number, freeBytes: number) {
    const lacking = gigabytes(neededBytes + marginBytes - freeBytes);
    super(
      `${volume} has ${gigabytes(freeBytes)} free, and ${gigabytes(neededBytes)} are to come: ${lacking} are lacking`,
    );
  }
}

function gigabytes(bytes: number): string {
  return bytes >= 1e7 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e3).toFixed(1)} KB`;
}
