import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { z } from 'zod';
import { claimsOn, type Report, unsoundnessOf } from '#domain';
import { InvalidInput, messageOf } from '#errors';
import { parseInput } from '../parse.ts';
import { reportSchema } from '../report.ts';
import { holdsSealedFiles, snapshotNameOf, snapshotPath } from './contents.ts';
import { fingerprintOf, hashOf, type Manifest, manifestSchema } from './seal.ts';
import type { Files } from './tar.ts';

/** Who sealed a bundle: whoever has the key of this fingerprint. */
export interface Seal {
  readonly fingerprint: string;
  /** The run's end, ISO 8601. */
  readonly createdAt: string;
}

/** How much was checked, or the first thing that is wrong, in words for a reader. */
export type Verification =
  | {
      readonly sound: true;
      readonly claims: number;
      readonly citations: number;
      readonly snapshots: number;
      /** Null for the files of a report that nobody sealed, as older releases wrote them. */
      readonly seal: Seal | null;
    }
  | { readonly sound: false; readonly fault: string };

/** What is wrong, on its way to the caller of verifyBundle. */
class Unsound extends Error {}

/**
 * Checks a bundle with nothing but its own files: the manifest's signature, every file against the manifest, every
 * snapshot against its name, every citation against its snapshot, in this order. Files without a manifest are checked
 * from the snapshots on. Cost: a hash or two of everything.
 * @param trusted fingerprint of the only key that will do; null for any
 * @throws InvalidInput when there is no manifest and no readable report
 */
export function verifyBundle(files: Files, trusted: string | null): Verification {
  try {
    const manifest = readManifest(files);
    const seal = manifest === null ? null : checkSeal(manifest, files);
    checkKey(seal, trusted);
    if (manifest !== null) checkFiles(manifest, files);
    const report = manifest === null ? readReport(files) : sealedReport(manifest, files);
    const fault = unsoundnessOf(report, (sha256) => files.get(snapshotPath(sha256)));
    if (fault !== null) throw new Unsound(fault);
    const citations = report.claims.reduce((sum, claim) => sum + claim.citations.length, 0);
    return { sound: true, claims: report.claims.length, citations, snapshots: report.sources.length, seal };
  } catch (error) {
    if (error instanceof Unsound) return { sound: false, fault: error.message };
    throw error;
  }
}

/** Null where nothing was ever sealed. */
function readManifest(files: Files): Manifest | null {
  const bytes = files.get('manifest.json');
  if (bytes === undefined) {
    if (holdsSealedFiles(files)) throw new Unsound('manifest.json is missing');
    return null;
  }
  try {
    return parseJson(manifestSchema, bytes);
  } catch (error) {
    throw new Unsound(`manifest.json is no manifest that this release can read: ${messageOf(error)}`);
  }
}

function checkSeal({ key, created_at }: Manifest, files: Files): Seal {
  const [manifest, signature] = ['manifest.json', 'manifest.sig'].map((path) => files.get(path));
  if (manifest === undefined || signature === undefined) throw new Unsound('manifest.sig is missing');
  const publicKey = publicKeyOf(key);
  if (!verify(null, manifest, publicKey, Buffer.from(textOf(signature), 'base64'))) {
    const why = 'one of the two was changed, or another key than the one it names signed it';
    throw new Unsound(`manifest.sig is no signature of manifest.json: ${why}`);
  }
  return { fingerprint: key.fingerprint, createdAt: created_at };
}

function publicKeyOf({ public_key, fingerprint }: Manifest['key']): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(public_key, 'base64'), type: 'spki', format: 'der' });
  } catch (error) {
    throw new Unsound(`manifest.json names a key that cannot be read: ${messageOf(error)}`);
  }
  if (key.asymmetricKeyType !== 'ed25519') throw new Unsound('manifest.json names a key that is not ed25519');
  const actual = fingerprintOf(key);
  if (actual !== fingerprint) throw new Unsound(`manifest.json calls its key ${fingerprint}, but it is ${actual}`);
  return key;
}

function checkKey(seal: Seal | null, trusted: string | null): void {
  if (trusted === null || seal?.fingerprint === trusted) return;
  const found = seal === null ? 'nobody sealed these files' : `they are sealed with the key ${seal.fingerprint}`;
  throw new Unsound(`the files should be sealed with the key ${trusted}; ${found}`);
}

function checkFiles(manifest: Manifest, files: Files): void {
  for (const { path, sha256, bytes } of manifest.files) {
    const found = files.get(path);
    if (found === undefined) throw new Unsound(`${claimsAbout(path, files)}${path} is missing`);
    const actual = hashOf(found);
    if (actual !== sha256 || found.byteLength !== bytes) {
      const now = `it has ${found.byteLength} bytes of sha256 ${actual}`;
      throw new Unsound(`${claimsAbout(path, files)}${path} was changed: ${now}, sealed were ${bytes} of ${sha256}`);
    }
    const name = snapshotNameOf(path);
    if (name !== null && name !== sha256) throw new Unsound(`${path} was sealed under a name that is not its sha256`);
  }
  const listed = new Set(['manifest.json', 'manifest.sig', ...manifest.files.map(({ path }) => path)]);
  const extra = [...files.keys()].toSorted().find((path) => !listed.has(path));
  if (extra !== undefined) throw new Unsound(`${extra} is not in the manifest: it was added after the sealing`);
}

/** Which claims a bad snapshot takes down, as far as the report can still be read; empty for any other file. */
function claimsAbout(path: string, files: Files): string {
  const sha256 = snapshotNameOf(path);
  if (sha256 === null) return '';
  try {
    return `${claimsOn(readReport(files), sha256)}: `;
  } catch {
    // The file itself is named in any case.
    return '';
  }
}

function sealedReport(manifest: Manifest, files: Files): Report {
  let report: Report;
  try {
    report = readReport(files);
  } catch (error) {
    throw new Unsound(messageOf(error));
  }
  if (report.run_id === manifest.run_id) return report;
  throw new Unsound(`report.json is of run ${report.run_id}, manifest.json of run ${manifest.run_id}`);
}

function readReport(files: Files): Report {
  const bytes = files.get('report.json');
  if (bytes === undefined) throw new InvalidInput([{ path: 'report.json', message: 'is missing' }]);
  try {
    return parseJson(reportSchema, bytes);
  } catch (cause) {
    const message = `is not a report: ${messageOf(cause)}`;
    throw new InvalidInput([{ path: 'report.json', message }], { cause });
  }
}

function parseJson<T extends z.ZodType>(schema: T, bytes: Uint8Array): z.infer<T> {
  return parseInput(schema, JSON.parse(textOf(bytes)));
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
