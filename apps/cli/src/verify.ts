import { createPublicKey } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Files, fingerprintOf, isBundlePath, readTar, type Verification, verifyBundle } from '#contracts';
import { InvalidInput, messageOf } from '#errors';

const advice = 'give the folder of one report, such as argosy-reports/run_..., or its bundle.tar';

/**
 * Checks a report's folder or bundle.tar offline.
 * @param key fingerprint of the key that it must be sealed with, or a file that holds it; undefined for any key or none
 * @throws InvalidInput when there is no readable report at `path`, or no key at `key`
 */
export async function verifyReport(path: string, key: string | undefined): Promise<Verification> {
  const trusted = key === undefined ? null : await readFingerprint(key);
  return verifyBundle(await readFiles(path), trusted);
}

async function readFiles(path: string): Promise<Files> {
  const isFile = await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
  if (!isFile) return await readFolder(path);
  const tar = await readable(path);
  try {
    return readTar(tar);
  } catch (cause) {
    throw new InvalidInput([{ path, message: `cannot be read: ${messageOf(cause)}; ${advice}` }], { cause });
  }
}

/** Files that belong into no bundle are only named: nobody knows how large they are. */
async function readFolder(folder: string): Promise<Files> {
  const names = [...(await namesIn(folder)), ...(await namesIn(folder, 'snapshots'))].filter(
    (name) => name !== 'snapshots' && name !== 'bundle.tar',
  );
  // Neither sealed nor as older releases left it: to whoever named it, this is the wrong folder.
  if (!names.includes('manifest.json')) await readable(join(folder, 'report.json'));
  const files = new Map<string, Uint8Array>();
  for (const name of names) {
    files.set(name, isBundlePath(name) ? await readable(join(folder, name)) : new Uint8Array());
  }
  return files;
}

async function namesIn(folder: string, inner = ''): Promise<string[]> {
  const names = await readdir(join(folder, inner)).catch(() => []);
  return names.map((name) => (inner === '' ? name : `${inner}/${name}`));
}

async function readable(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new InvalidInput([{ path, message: `cannot be read (${messageOf(cause)}); ${advice}` }], { cause });
  }
}

async function readFingerprint(key: string): Promise<string> {
  if (/^[0-9a-f]{64}$/i.test(key)) return key.toLowerCase();
  try {
    const publicKey = createPublicKey(await readFile(key));
    if (publicKey.asymmetricKeyType === 'ed25519') return fingerprintOf(publicKey);
    throw new Error(`it is of the kind ${publicKey.asymmetricKeyType}`);
  } catch (cause) {
    const message = `needs the 64 digits of a fingerprint or an ed25519 key in PEM; ${key}: ${messageOf(cause)}`;
    throw new InvalidInput([{ path: '--key', message }], { cause });
  }
}
