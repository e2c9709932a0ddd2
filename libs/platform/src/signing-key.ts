import { createPrivateKey, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InvalidInput, messageOf } from '#errors';
import type { Config } from './config.ts';

type SigningConfig = Pick<Config, 'ARGOSY_SIGNING_KEY_FILE' | 'ARGOSY_DATA_DIR'>;

/**
 * The private ed25519 key that reports are sealed with: that of `ARGOSY_SIGNING_KEY_FILE`, which must be there, else that
 * of `signing-key.pem` in the data directory, which is made where it is missing.
 * @throws InvalidInput naming the file that cannot be used
 */
export async function openSigningKey(config: SigningConfig): Promise<KeyObject> {
  const named = config.ARGOSY_SIGNING_KEY_FILE;
  if (named !== undefined) return await readKey(named);
  const file = join(config.ARGOSY_DATA_DIR, 'signing-key.pem');
  await makeKey(file);
  return await readKey(file);
}

async function readKey(file: string): Promise<KeyObject> {
  let key: KeyObject;
  try {
    key = createPrivateKey(await readFile(file));
  } catch (cause) {
    throw unusable(file, `cannot be read as a private key in PEM (${messageOf(cause)})`, cause);
  }
  if (key.asymmetricKeyType === 'ed25519') return key;
  throw unusable(file, `holds a key of the kind ${key.asymmetricKeyType}, not ed25519`);
}

/** Leaves a key that is there as it is, also one that another process makes at the same moment. */
async function makeKey(file: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    if (!(await isThere(file))) await writeKey(file);
  } catch (cause) {
    throw unusable(file, `cannot be made (${messageOf(cause)})`, cause);
  }
}

async function writeKey(file: string): Promise<void> {
  const draft = `${file}.${randomUUID()}.new`;
  const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
  try {
    await writeFile(draft, pem, { mode: 0o600, flag: 'wx', flush: true });
    // Unlike a rename, a link never takes the place of a key that somebody has signed with already.
    await link(draft, file);
  } catch (error) {
    if (!(await isThere(file))) throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function isThere(file: string): Promise<boolean> {
  return await readFile(file).then(
    () => true,
    (error: { code?: unknown }) => error.code !== 'ENOENT',
  );
}

function unusable(file: string, fault: string, cause?: unknown): InvalidInput {
  const advice = 'make one with `openssl genpkey -algorithm ed25519 -out FILE` and name it there';
  return new InvalidInput(
    [{ path: 'ARGOSY_SIGNING_KEY_FILE', message: `the signing key ${file} ${fault}; ${advice}` }],
    {
      cause,
    },
  );
}
