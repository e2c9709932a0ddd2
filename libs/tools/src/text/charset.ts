import type { DocumentType } from './document.ts';

/** How much of a document is looked at for a charset that it declares itself, and for bytes that are no UTF-8. */
const HEAD_BYTES = 2_048;
const PROBE_BYTES = 256 * 1024;

/**
 * The charset to read a document by, a label that TextDecoder knows: its byte order mark, else what its sender declared,
 * else what it declares itself, else UTF-8, or windows-1252 where the bytes are none (as browsers do).
 */
export function charsetOf(bytes: Uint8Array, type: DocumentType, sent: string | undefined): string {
  const marked = byteOrderMark(bytes);
  const known = marked ?? usable(sent) ?? (type === 'html' ? usable(declaredCharset(bytes)) : undefined);
  return known ?? (isUtf8(bytes) ? 'utf-8' : 'windows-1252');
}

function byteOrderMark([a, b, c]: Uint8Array): string | undefined {
  if (a === 0xef && b === 0xbb && c === 0xbf) return 'utf-8';
  if (a === 0xff && b === 0xfe) return 'utf-16le';
  return a === 0xfe && b === 0xff ? 'utf-16be' : undefined;
}

/** The charset that an HTML or XHTML page names in its beginning. */
export function declaredCharset(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, HEAD_BYTES)).toString('latin1');
  const found =
    /^\s*<\?xml[^>]+encoding\s*=\s*["']([\w-]+)/i.exec(head) ?? /<meta[^>]+charset\s*=\s*["']?([\w-]+)/i.exec(head);
  // What could read this declaration is no UTF-16, whatever it says.
  return /^utf-16/i.test(found?.[1] ?? '') ? 'utf-8' : found?.[1];
}

function usable(label: string | undefined): string | undefined {
  try {
    return label === undefined ? undefined : new TextDecoder(label).encoding;
  } catch {
    return undefined;
  }
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    // A stream: the probe may end inside a character.
    new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, PROBE_BYTES), { stream: true });
    return true;
  } catch {
    return false;
  }
}
