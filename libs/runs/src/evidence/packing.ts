import { promisify } from 'node:util';
import { deflateRaw, inflateRaw } from 'node:zlib';

/** Most that is kept of a value, in bytes of its JSON. */
export const mostBytes = 32 * 1024 * 1024;

const deflate = promisify(deflateRaw);
const inflate = promisify(inflateRaw);

/** Pages shrink to a quarter at a third of the time that the usual level takes. */
const level = 2;

/**
 * @returns null for a value that is too large to be kept
 * @throws TypeError for a value that JSON cannot hold
 */
export async function pack(value: unknown): Promise<Uint8Array | null> {
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`Evidence is kept as JSON, which cannot hold a ${typeof value}.`);
  const json = Buffer.from(text, 'utf8');
  return json.byteLength > mostBytes ? null : await deflate(json, { level });
}

export async function unpack(packed: Uint8Array): Promise<unknown> {
  const json = await inflate(packed, { maxOutputLength: mostBytes });
  return JSON.parse(json.toString('utf8'));
}
