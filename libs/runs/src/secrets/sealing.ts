import { randomBytes } from 'node:crypto';
import { closeBox, keyBytes, nonceBytes, openBox } from './boxes.ts';
import { SecretUnreadable } from './unreadable.ts';
import type { KeyWrapping } from './wrapping.ts';

/** Which secret it is, and which setting of it. */
export interface SecretPlace {
  readonly tenantId: string;
  readonly name: string;
  readonly version: string;
}

/** A secret as the database has it: its text under a data key of its own, which is wrapped with the key `keyId`. */
export interface SealedSecret {
  readonly keyId: string;
  readonly wrapped: Uint8Array;
  readonly sealed: Uint8Array;
}

/** It opens at this place alone. */
export async function seal(text: string, place: SecretPlace, wrapping: KeyWrapping): Promise<SealedSecret> {
  const dataKey = randomBytes(keyBytes);
  const closing = { key: dataKey, nonce: randomBytes(nonceBytes), label: labelOf('secret', place) };
  const sealed = closeBox(Buffer.from(text, 'utf8'), closing);
  const { keyId, bytes } = await wrapping.wrap(dataKey, labelOf('data key', place));
  return { keyId, wrapped: bytes, sealed };
}

/** @throws SecretUnreadable naming the secret, and what is to be done */
export async function unseal(
  { keyId, wrapped, sealed }: SealedSecret,
  place: SecretPlace,
  wrapping: KeyWrapping | null,
): Promise<string> {
  try {
    if (wrapping === null) throw new SecretUnreadable('no-key', 'This process has no ARGOSY_SECRETS_KEY; give it one.');
    const key = await wrapping.unwrap({ keyId, bytes: wrapped }, labelOf('data key', place));
    return Buffer.from(openBox(sealed, { key, label: labelOf('secret', place) })).toString('utf8');
  } catch (error) {
    if (!(error instanceof SecretUnreadable)) throw error;
    const what = `The secret ${place.name} of the tenant ${place.tenantId} cannot be opened`;
    throw new SecretUnreadable(error.reason, `${what}. ${error.message} Or have the secret set anew.`, {
      cause: error,
    });
  }
}

function labelOf(purpose: 'secret' | 'data key', { tenantId, name, version }: SecretPlace): string[] {
  return [purpose, tenantId, name, version];
}
