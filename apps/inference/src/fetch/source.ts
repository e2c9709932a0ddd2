/** Where the files of a checkpoint come from. */

/** The rest of one file. */
export interface Opened {
  /** Where it begins: what was asked for, or 0 where that could not be had. */
  readonly start: number;
  /** Of the whole file; null where it is not told. */
  readonly size: number | null;
  /** Changes with the file; null where there is none. */
  readonly tag: string | null;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** Where to go on with a file, and of which state of it. */
export interface Resume {
  readonly start: number;
  readonly tag: string | null;
}

export interface Source {
  /** For messages and the manifest: without what may be secret in it. */
  readonly name: string;
  /** Every file that is there; null where that cannot be asked. */
  list(): Promise<readonly string[] | null>;
  /** @returns null where it is not told. @throws InvalidInput for a file that is not there */
  size(file: string, signal: AbortSignal): Promise<number | null>;
  /** @throws InvalidInput for a file that is not there; Unavailable when it cannot be had now */
  open(file: string, resume: Resume, signal: AbortSignal): Promise<Opened>;
}

/** A file of a checkpoint lies in its folder and nowhere else. */
export function isPlainName(name: string): boolean {
  return /^[\w][\w.+-]{0,199}$/.test(name);
}
