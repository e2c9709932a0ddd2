import { createHash, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { z } from 'zod';
import { type BundleContents, filesOf } from './contents.ts';
import type { Files } from './tar.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** `manifest.json`: every other file of a bundle but the signature, and who sealed it. */
export const manifestSchema = z.strictObject({
  schema_version: z.literal(1),
  run_id: z.string(),
  /** The run's end. */
  created_at: z.string(),
  key: z.strictObject({
    algorithm: z.literal('ed25519'),
    /** SubjectPublicKeyInfo (RFC 8410), DER, base64. */
    public_key: z.base64(),
    /** sha256 of the same DER. */
    fingerprint: sha256,
  }),
  files: z.array(z.strictObject({ path: z.string(), sha256, bytes: z.int().nonnegative() })),
});
export type Manifest = z.infer<typeof manifestSchema>;

/**
 * The files of a bundle with its manifest and, in `manifest.sig`, the ed25519 signature of the manifest's bytes, base64.
 * The same run under the same key gives the same bytes. Cost: one hash of everything.
 * @param key private, ed25519
 * @throws InvalidState when a cited text is no longer stored
 */
export function sealBundle(contents: BundleContents, key: KeyObject): Files {
  const files = filesOf(contents);
  const publicKey = createPublicKey(key);
  const manifest: Manifest = {
    schema_version: 1,
    run_id: contents.report.run_id,
    created_at: contents.endedAt,
    key: {
      algorithm: 'ed25519',
      public_key: spkiOf(publicKey).toString('base64'),
      fingerprint: fingerprintOf(publicKey),
    },
    files: [...files.keys()].toSorted().map((path) => {
      const bytes = files.get(path) ?? new Uint8Array();
      return { path, sha256: hashOf(bytes), bytes: bytes.byteLength };
    }),
  };
  const bytes = new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`);
  const signature = new TextEncoder().encode(`${sign(null, bytes, key).toString('base64')}\n`);
  return files.set('manifest.json', bytes).set('manifest.sig', signature);
}

/** Names a public key: hex sha256 of its SubjectPublicKeyInfo. */
export function fingerprintOf(publicKey: KeyObject): string {
  return hashOf(spkiOf(publicKey));
}

/** Hex sha256. */
export function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function spkiOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' });
}
