import { createHmac, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { InvalidInput } from '#errors';

/**
 * `arg_<env>_<key id>_<secret>_<checksum>`: a prefix that secret scanners know, the deployment, 16 hex digits that name
 * the key, 32 random bytes, and the CRC-32 of all before it, the last two in base 62.
 */
const form = /^(arg_[a-z0-9]{1,16}_([0-9a-f]{16})_[0-9A-Za-z]{43})_([0-9A-Za-z]{6})$/;

/** Longer texts are no keys and are not looked at. */
const longestText = 128;

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Bytes of chance that a key is made of: 8 for its id, 32 for its secret. */
export const keyRandomBytes = 40;

/** A key as its owner holds it; known to nobody else. */
export interface KeyText {
  readonly keyId: string;
  readonly text: string;
}

/**
 * @param env what the deployment is called in its keys: at most 16 of a-z and 0-9
 * @param random {@link keyRandomBytes} bytes that nobody can guess
 */
export function newKeyText(env: string, random: Uint8Array): KeyText {
  const bytes = Buffer.from(random);
  const keyId = bytes.toString('hex', 0, 8);
  const head = `arg_${env}_${keyId}_${base62(BigInt(`0x${bytes.toString('hex', 8)}`), 43)}`;
  return { keyId, text: `${head}_${checksum(head)}` };
}

/** What can be told of a key without asking anyone; null where somebody mistyped or shortened it. */
export function parseKeyText(text: string): KeyText | null {
  if (text.length > longestText) return null;
  const [, head = '', keyId = '', sum] = form.exec(text) ?? [];
  return head !== '' && checksum(head) === sum ? { keyId, text } : null;
}

/** What is kept of a key: without the pepper nobody can tell whether a text fits. */
export function macOf(text: string, pepper: Uint8Array): Buffer {
  return createHmac('sha256', pepper).update(text, 'utf8').digest();
}

/** In a time that tells nothing of where they differ. Nothing equals nothing. */
export function sameMac(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === 32 && b.length === 32 && timingSafeEqual(a, b);
}

/**
 * Reads `ARGOSY_KEY_PEPPER`: 32 bytes or more, in hex or base64.
 * @throws InvalidInput that does not repeat it
 */
export function parsePepper(text: string): Uint8Array {
  // Whatever looks like hex is meant to be: 62 digits of it would be long enough as base64.
  const isHex = /^[0-9a-f]+$/i.test(text);
  const isWhole = isHex ? text.length % 2 === 0 : /^[\w+/-]+={0,2}$/.test(text);
  const pepper = Buffer.from(text, isHex ? 'hex' : 'base64');
  if (isWhole && pepper.length >= 32) return pepper;
  const message = 'needs at least 32 bytes in hex or base64; make one with: openssl rand -base64 32';
  throw new InvalidInput([{ path: 'ARGOSY_KEY_PEPPER', message }]);
}

function checksum(head: string): string {
  return base62(BigInt(crc32(head)), 6);
}

function base62(value: bigint, width: number): string {
  let text = '';
  for (let rest = value; text.length < width; rest /= 62n) text = digits[Number(rest % 62n)] + text;
  return text;
}
