import { createHmac, randomBytes } from 'node:crypto';
import { InvalidInput } from '#errors';
import { closeBox, keyBytes, nonceBytes, openBox } from './boxes.ts';
import { SecretUnreadable } from './unreadable.ts';

/** A data key that only whoever has the key-encryption key `keyId` can open. */
export interface WrappedKey {
  readonly keyId: string;
  readonly bytes: Uint8Array;
}

/**
 * Key-encryption keys, wherever they are: those of the environment here, or of a key management service, whose driver bounds
 * its own waits. No key leaves it.
 */
export interface KeyWrapping {
  /** The key that wraps from now on; what another one wrapped is wrapped anew when it is used. */
  readonly currentId: string;
  /** @param label what it opens with again; each field apart */
  wrap(dataKey: Uint8Array, label: readonly string[]): Promise<WrappedKey>;
  /** @throws SecretUnreadable: `unknown-key`, `damaged` or `not-its-own` */
  unwrap(wrapped: WrappedKey, label: readonly string[]): Promise<Uint8Array>;
}

/**
 * Reads `ARGOSY_SECRETS_KEY`: keys of 32 bytes in base64, separated by commas. The first one wraps, all unwrap.
 * @returns null where it is not set
 * @throws InvalidInput that does not repeat it
 */
export function secretsKeyOf(text: string | undefined): KeyWrapping | null {
  if (text === undefined) return null;
  const texts = text.split(',').map((one) => one.trim());
  const keys = new Map<string, Uint8Array>();
  for (const [index, one] of texts.entries()) {
    const key = Buffer.from(one, 'base64');
    if (!/^[\w+/-]{43}=?$/.test(one) || key.length !== keyBytes) throw unusable(`key ${index + 1} of ${texts.length}`);
    keys.set(idOf(key), key);
  }
  const [currentId] = keys.keys();
  if (currentId === undefined || keys.size < texts.length) throw unusable('what names a key twice');
  return localWrapping(currentId, keys);
}

function localWrapping(currentId: string, keys: ReadonlyMap<string, Uint8Array>): KeyWrapping {
  const keyNamed = (keyId: string): Uint8Array => {
    const key = keys.get(keyId);
    if (key !== undefined) return key;
    const known = [...keys.keys()].join(', ');
    const message = `It was sealed with the key ${keyId}, and ARGOSY_SECRETS_KEY has only ${known}. Add that key behind the others.`;
    throw new SecretUnreadable('unknown-key', message);
  };
  return {
    currentId,
    wrap: async (dataKey, label) => {
      const closing = { key: keyNamed(currentId), nonce: randomBytes(nonceBytes), label };
      return { keyId: currentId, bytes: closeBox(dataKey, closing) };
    },
    unwrap: async ({ keyId, bytes }, label) => openBox(bytes, { key: keyNamed(keyId), label }),
  };
}

/** Names a key and tells nothing of it. */
function idOf(key: Uint8Array): string {
  return createHmac('sha256', key).update('argosy key-encryption key').digest('hex').slice(0, 16);
}

function unusable(what: string): InvalidInput {
  const message = `${what} is none: it needs 32 bytes in base64, several separated by commas, the one that seals first; make one with: openssl rand -base64 32`;
  return new InvalidInput([{ path: 'ARGOSY_SECRETS_KEY', message }]);
}
