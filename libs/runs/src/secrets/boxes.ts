import { createCipheriv, createDecipheriv } from 'node:crypto';
import { messageOf } from '#errors';
import { SecretUnreadable } from './unreadable.ts';

/** Bytes of a key for AES-256. */
export const keyBytes = 32;

/** Bytes of chance that a box is closed with. A key closes far fewer than 2^32 (NIST SP 800-38D, 8.3). */
export const nonceBytes = 12;

const tagBytes = 16;

/** How boxes are written by this release: this byte, the nonce, the tag, what is in it. */
const form = 1;

/** What a box is closed with. */
export interface Closing {
  readonly key: Uint8Array;
  /** {@link nonceBytes} that this key never had before. */
  readonly nonce: Uint8Array;
  /** What it opens with again, and with nothing else; each field apart. */
  readonly label: readonly string[];
}

/** AES-256-GCM. */
export function closeBox(bytes: Uint8Array, { key, nonce, label }: Closing): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes }).setAAD(bytesOf(label));
  const inside = Buffer.concat([cipher.update(bytes), cipher.final()]);
  return Buffer.concat([Uint8Array.of(form), nonce, cipher.getAuthTag(), inside]);
}

/** @throws SecretUnreadable: `damaged` or `not-its-own` */
export function openBox(box: Uint8Array, { key, label }: Omit<Closing, 'nonce'>): Uint8Array {
  const head = 1 + nonceBytes + tagBytes;
  if (box.length < head || box[0] !== form) {
    throw new SecretUnreadable(
      'damaged',
      `Of what was sealed, ${box.length} bytes are left, or its form is not known.`,
    );
  }
  const nonce = box.subarray(1, 1 + nonceBytes);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  decipher.setAAD(bytesOf(label)).setAuthTag(box.subarray(1 + nonceBytes, head));
  try {
    return Buffer.concat([decipher.update(box.subarray(head)), decipher.final()]);
  } catch (cause) {
    const message = `What was sealed was changed, or for something else than ${label.join(', ')} (${messageOf(cause)}).`;
    throw new SecretUnreadable('not-its-own', message, { cause });
  }
}

/** Fields by their lengths, so that no two labels are written the same. */
function bytesOf(label: readonly string[]): Buffer {
  return Buffer.from(label.map((field) => `${Buffer.byteLength(field)}:${field}`).join(''), 'utf8');
}
