/** What a volume holds, written when all of it is there. */
import { open, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { WantedFiles } from './wanted-files.ts';

const manifestFile = '.argosy-weights.json';

const schema = z.object({
  version: z.literal(1),
  from: z.string(),
  files: z.array(
    z.object({
      name: z.string(),
      bytes: z.number().int().nonnegative(),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
});

export type Manifest = Readonly<z.infer<typeof schema>>;
export type HeldFile = Manifest['files'][number];

/** @returns null where there is none, or nothing that could be one */
export async function readManifest(volume: string): Promise<Manifest | null> {
  const text = await readFile(join(volume, manifestFile), 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    return schema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

/** In one step: whoever reads sees the old one or this. */
export async function writeManifest(volume: string, manifest: Manifest): Promise<void> {
  const draft = join(volume, `${manifestFile}.draft`);
  const file = await open(draft, 'w', 0o644);
  try {
    await file.writeFile(`${JSON.stringify(manifest, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, join(volume, manifestFile));
}

/**
 * Whether a volume holds what is wanted, by names, lengths and the hashes of its manifest: no file is read.
 * @param wanted null: whatever the manifest names
 */
export async function isWhole(volume: string, manifest: Manifest, wanted: WantedFiles | null): Promise<boolean> {
  const held = new Map(manifest.files.map((file) => [file.name, file]));
  for (const [name, sha256] of wanted ?? []) {
    const file = held.get(name);
    if (file === undefined || (sha256 !== null && sha256 !== file.sha256)) return false;
  }
  for (const { name, bytes } of manifest.files) {
    const found = await stat(join(volume, name)).catch(() => null);
    if (found === null || !found.isFile() || found.size !== bytes) return false;
  }
  return true;
}
