import { ArgosyError, Unavailable } from '#errors';

/**
 * Where bytes lie outside of the database, each under a name that is used once and never again: so that whoever removes one
 * cannot take what another has just written.
 */
export interface ObjectStore {
  /** Returns once the bytes are safe. @throws ObjectsAway */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /**
   * @param most bytes that it should have; of a longer one no more than a few beyond are read
   * @returns null where there is nothing under the name
   * @throws ObjectsAway
   */
  get(name: string, most: number): Promise<Uint8Array | null>;
  /** Removes an object; one that is not there is as good. @throws ObjectsAway, also when the signal fires */
  remove(name: string, signal?: AbortSignal): Promise<void>;
  close(): void;
}

/** The object store is away or refuses, while the database may well be there: whoever needs it should come again, and not at once. */
export class ObjectsAway extends Unavailable {}

/** The record names bytes that are not as they were written, or not there. Only a backup brings them back. */
export class StoredBytesLost extends ArgosyError {
  override readonly name = 'StoredBytesLost';
  readonly code = 'stored_bytes_lost';
  readonly retryable = false;
}

/** Objects that are written, read or removed at the same time for one call. */
const atOnce = 8;

/** Does something for each, a few at a time; after a fault, nothing more is begun. @returns what came of each, in order */
export async function forEachOf<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const entries = items.entries();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (const [index, item] of entries) {
      if (failed) return;
      try {
        results[index] = await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
  return results;
}
