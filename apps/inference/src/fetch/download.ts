/** One file from its source onto a volume, in as many pieces as it takes. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ArgosyError, messageOf, Unavailable } from '#errors';
import type { HeldFile } from './manifest.ts';
import type { Source } from './source.ts';

export interface DownloadTimes {
  /** Between the first two tries; then twice as long each time, up to half a minute. */
  readonly retryMs: number;
  /** Tries in a row that brought no byte. */
  readonly mostTries: number;
  /** Longest silence of a source. */
  readonly silenceMs: number;
}

export const usualDownloadTimes: DownloadTimes = { retryMs: 1_000, mostTries: 10, silenceMs: 60_000 };
const mostRetryMs = 30_000;

export interface Download {
  readonly source: Source;
  readonly volume: string;
  readonly file: string;
  /** What it must hold; null for anything. */
  readonly sha256: string | null;
  readonly times: DownloadTimes;
  readonly signal: AbortSignal;
}

/** The file came whole and holds something else than it must. */
class WrongHash extends ArgosyError {
  override readonly name = 'WrongHash';
  readonly code = 'wrong_hash';
  readonly retryable = false;
  constructor(file: string, from: string, expected: string, found: string) {
    super(
      `${file} of ${from} has the sha256 ${found}, and ${expected} was expected, twice: the source or the list of hashes is another release's, or the source is damaged`,
    );
  }
}

/** @returns what was stored under its own name. @throws WrongHash, InvalidInput, or Unavailable when no try brings more */
export async function download(wanted: Download): Promise<HeldFile> {
  const { volume, file, sha256, source } = wanted;
  let found = '';
  for (let attempt = 0; attempt < 2; attempt++) {
    await received(wanted);
    const part = partOf(wanted);
    const { size: bytes } = await stat(part);
    found = await sha256Of(part, wanted.signal);
    if (sha256 === null || sha256 === found) {
      wanted.signal.throwIfAborted();
      await rename(part, join(volume, file));
      await rm(tagOf(wanted), { force: true });
      return { name: file, bytes, sha256: found };
    }
    // Pieces of two states of the file, or of a disk that lies: once more from the beginning.
    await rm(part, { force: true });
  }
  throw new WrongHash(file, source.name, sha256 ?? '', found);
}

/** What has come of a file that is not whole yet. */
export async function begunBytes(volume: string, file: string): Promise<number> {
  return await lengthOf(join(volume, `${file}.part`));
}

export async function sha256Of(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 2 ** 20, signal })) hash.update(piece as Buffer);
  return hash.digest('hex');
}

function partOf({ volume, file }: Download): string {
  return join(volume, `${file}.part`);
}

function tagOf({ volume, file }: Download): string {
  return join(volume, `${file}.part.tag`);
}

/** Tries until the part is whole; a try that brought bytes begins the count anew. */
async function received(wanted: Download): Promise<void> {
  const { times, signal, file, source } = wanted;
  for (let failures = 0; ; failures++) {
    const before = await lengthOf(partOf(wanted));
    try {
      return await receive(wanted, before);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ArgosyError && !error.retryable) throw error;
      if (isOfDisk(error)) throw error;
      if ((await lengthOf(partOf(wanted))) > before) failures = 0;
      if (failures + 1 >= times.mostTries) throw gaveUp(file, source.name, times.mostTries, error);
      await pause(Math.min(mostRetryMs, times.retryMs * 2 ** failures), undefined, { signal });
    }
  }
}

async function receive(wanted: Download, have: number): Promise<void> {
  const { source, file, times, signal } = wanted;
  const silent = new AbortController();
  const timer = setTimeout(
    () => silent.abort(new Unavailable(`${file}: silence for ${times.silenceMs} ms`)),
    times.silenceMs,
  );
  try {
    const tag = await readFile(tagOf(wanted), 'utf8').catch(() => null);
    const opened = await source.open(file, { start: have, tag }, AbortSignal.any([signal, silent.signal]));
    const part = await open(partOf(wanted), opened.start === 0 ? 'w' : 'r+');
    try {
      if (opened.tag === null) await rm(tagOf(wanted), { force: true });
      else await writeFile(tagOf(wanted), opened.tag);
      const end = await written(part, opened.bytes, opened.start, () => timer.refresh());
      await part.sync();
      if (opened.size !== null && end !== opened.size)
        throw new Unavailable(`${file} ended at ${end} of ${opened.size} bytes`);
    } finally {
      await part.close();
    }
  } catch (error) {
    throw silent.signal.aborted ? silent.signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}

/** @returns where the file ends now */
async function written(
  part: FileHandle,
  bytes: AsyncIterable<Uint8Array>,
  start: number,
  heard: () => void,
): Promise<number> {
  let at = start;
  for await (const piece of bytes) {
    heard();
    await part.write(piece, 0, piece.length, at);
    at += piece.length;
  }
  await part.truncate(at);
  return at;
}

async function lengthOf(path: string): Promise<number> {
  return await stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

/** No try helps against these. */
function isOfDisk(error: unknown): boolean {
  const { code } = (error ?? {}) as Partial<Record<'code', unknown>>;
  return ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'EFBIG', 'EIO'].includes(String(code));
}

function gaveUp(file: string, from: string, tries: number, cause: unknown): Unavailable {
  const message = `${file} of ${from} did not go on in ${tries} tries (${messageOf(cause)}). What has come is kept: the same command goes on with it`;
  return new Unavailable(message, { cause });
}
