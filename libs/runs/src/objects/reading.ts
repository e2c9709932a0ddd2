import { createHash } from 'node:crypto';
import { InvalidState } from '#errors';
import { objectName } from './loose.ts';
import { forEachOf, type ObjectStore, StoredBytesLost } from './object-store.ts';

/** What a row says of bytes that lie elsewhere. */
export interface FarBytes {
  readonly tenantId: string;
  readonly objectId: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Bytes that lie elsewhere, in order; each is compared with its hash. Null: there is no such object. */
export async function readFar(objects: ObjectStore | null, all: readonly FarBytes[]): Promise<(Uint8Array | null)[]> {
  if (all.length === 0) return [];
  if (objects === null) throw noStore();
  return await forEachOf(all, async (far) => {
    const read = await objects.get(objectName(far), far.bytes);
    if (read === null || hashOf(read) === far.sha256) return read;
    const what = `The object ${objectName(far)} holds other bytes than were written (${far.bytes}, sha256 ${far.sha256})`;
    throw new StoredBytesLost(`${what}: bring back the bucket as it was.`);
  });
}

/** @throws StoredBytesLost: a row stands, and its object is gone */
export function refuseLoss(far: FarBytes): never {
  const name = objectName(far);
  throw new StoredBytesLost(
    `The object ${name} is not in the bucket, and the record names it: bring back the bucket as it was.`,
  );
}

function noStore(): InvalidState {
  return new InvalidState(
    'The record names bytes in an object store, and this process has none: set ARGOSY_S3_ENDPOINT and what belongs to it.',
  );
}

export function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
