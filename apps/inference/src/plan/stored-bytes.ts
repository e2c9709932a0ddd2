import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const schema = z.object({ metadata: z.object({ total_size: z.number().int().positive() }) });

/** Bytes of all weights, as the index of a checkpoint in several files says; null where there is none, or it says nothing. */
export async function storedBytes(folder: string): Promise<number | null> {
  const text = await readFile(join(folder, 'model.safetensors.index.json'), 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    return schema.safeParse(JSON.parse(text)).data?.metadata.total_size ?? null;
  } catch {
    return null;
  }
}
