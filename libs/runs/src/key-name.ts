import { createHash } from 'node:crypto';

/** A key of any length and of any characters, lone surrogates included, as a short name that shows nothing of it. */
export function nameOf(key: string): string {
  return createHash('sha256').update(JSON.stringify(key)).digest('hex');
}
