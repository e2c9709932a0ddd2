import { createHash } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Longest header that the safetensors format allows. */
const mostHeaderBytes = 100_000_000;

/** By which two groups are known to serve the same files, in lower-case hex. */
export interface Fingerprints {
  /** Of the index of the checkpoint; of a checkpoint in one file, of that file's header. */
  readonly checkpointSha256: string;
  readonly tokenizerSha256: string;
}

/** @param folder of a checkpoint that was opened */
export async function fingerprintsOf(folder: string): Promise<Fingerprints> {
  const index = await readFile(join(folder, 'model.safetensors.index.json')).catch(() => null);
  const tokenizer = await readFile(join(folder, 'tokenizer.json'));
  return { checkpointSha256: sha256(index ?? (await headerOf(folder))), tokenizerSha256: sha256(tokenizer) };
}

/** The JSON behind the eight bytes of its length. */
async function headerOf(folder: string): Promise<Buffer> {
  const file = await open(join(folder, 'model.safetensors'));
  try {
    const length = Buffer.alloc(8);
    await file.read(length, 0, 8, 0);
    const bytes = Buffer.alloc(Math.min(Number(length.readBigUInt64LE()), mostHeaderBytes));
    await file.read(bytes, 0, bytes.length, 8);
    return bytes;
  } finally {
    await file.close();
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
