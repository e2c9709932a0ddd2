/** What the first bytes of a body are, whatever its sender says of it. */
export type Nature =
  | { readonly kind: 'pdf' | 'html' | 'text' }
  /** `name` says what it is, for a message. */
  | { readonly kind: 'binary'; readonly name: string };

/** Formats that are no text, by their first bytes (hexadecimal; `..` is any byte). */
const MAGIC: readonly (readonly [RegExp, string])[] = [
  [/^89504e470d0a1a0a/, 'a PNG picture'],
  [/^ffd8ff/, 'a JPEG picture'],
  [/^474946383[79]61/, 'a GIF picture'],
  [/^52494646.{8}57454250/, 'a WebP picture'],
  [/^(?:49492a00|4d4d002a)/, 'a TIFF picture'],
  [/^.{8}6674797061766966/, 'an AVIF picture'],
  [/^.{8}66747970(?:68656963|6d696631)/, 'a HEIF picture'],
  [/^00000[12]00/, 'an icon'],
  [/^504b0(?:304|506|708)/, 'a ZIP archive or an office document'],
  [/^d0cf11e0a1b11ae1/, 'an office document of the old form'],
  [/^7b5c727466/, 'an RTF document'],
  [/^1f8b08/, 'a gzip archive'],
  [/^425a68[3-9]/, 'a bzip2 archive'],
  [/^fd377a585a00/, 'an XZ archive'],
  [/^28b52ffd/, 'a Zstandard archive'],
  [/^377abcaf271c/, 'a 7z archive'],
  [/^526172211a07/, 'a RAR archive'],
  [/^.{514}7573746172/, 'a tar archive'],
  [/^(?:494433|fff[bf3])/, 'MP3 audio'],
  [/^.{8}66747970/, 'an MP4 video'],
  [/^4f676753/, 'an Ogg recording'],
  [/^664c6143/, 'FLAC audio'],
  [/^52494646.{8}57415645/, 'WAVE audio'],
  [/^1a45dfa3/, 'a Matroska or WebM video'],
  [/^774f46[46f32]/, 'a font'],
  [/^(?:7f454c46|4d5a[89]|feedfac[ef]|cffaedfe)/, 'a program'],
  [/^0061736d/, 'a WebAssembly module'],
  [/^53514c69746520666f726d6174/, 'an SQLite database'],
];

/** Bytes that are looked at: what a tar archive needs, and enough of a text to see what it is. */
const HEAD = 1_024;
/** PDF readers take a header that stands this far inside. */
const PDF_HEADER = 1_024;

/** Looks at the first bytes of a body, at most 1,024 of them. */
export function natureOf(body: Uint8Array): Nature {
  const head = Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, HEAD));
  const wide = /^(?:fffe|feff)/.test(head.toString('hex', 0, 2));
  const text = wide ? head.toString('utf16le') : head.toString('latin1');
  if (text.slice(0, PDF_HEADER).includes('%PDF-')) return { kind: 'pdf' };
  const hex = head.toString('hex');
  const magic = MAGIC.find(([pattern]) => pattern.test(hex));
  if (magic) return { kind: 'binary', name: magic[1] };
  // No text has these (WHATWG MIME Sniffing, binary data bytes); UTF-16 has them in every character.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (!wide && /[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]/.test(text)) return { kind: 'binary', name: 'of a binary form' };
  const markup = text.replace(/^(?:\xef\xbb\xbf|\ufeff)/, '').replace(/^(?:\s|<!--[\s\S]*?-->|<\?xml[^>]*>)+/, '');
  return { kind: /^<(?:!doctype\s+html|html[\s>]|head[\s>]|body[\s>])/i.test(markup) ? 'html' : 'text' };
}
