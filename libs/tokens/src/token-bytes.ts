/** The bytes that each token of a byte-level vocabulary stands for. */
import { InvalidInput } from '#errors';
import type { Encoder } from './encoder.ts';

/**
 * @returns for an id, its bytes of UTF-8, which may begin or end inside a character; none for a control token that never
 * shows in a text, and none for an id without a token. Cost O(vocabulary) once, then O(bytes).
 * @throws InvalidInput for a vocabulary that is not byte-level
 */
export function tokenBytes(encoder: Encoder, file: string): (id: number) => Uint8Array {
  const added = encoder.get_added_tokens_decoder();
  const byLetter = new Map(byteLetters().map((letter, byte) => [letter, byte]));
  const pieces = new Map<number, Uint8Array>();
  for (const [token, id] of encoder.get_vocab(false)) {
    if (added.has(id)) continue;
    const bytes = [...token].map((letter) => byLetter.get(letter));
    if (!bytes.every((byte) => byte !== undefined)) throw notByteLevel(token, file);
    pieces.set(id, Uint8Array.from(bytes));
  }
  for (const [id, { content, special }] of added) pieces.set(id, special ? nothing : Buffer.from(content));
  return (id) => pieces.get(id) ?? nothing;
}

const nothing = new Uint8Array(0);

function notByteLevel(token: string, file: string): InvalidInput {
  const message = `is not a byte-level vocabulary: its token ${JSON.stringify(token)} stands for no bytes. The engine writes replies with byte-level vocabularies only, as GPT-2, Llama 3 and Qwen have them.`;
  return new InvalidInput([{ path: file, message }]);
}

/** The letter of each byte, as GPT-2 wrote bytes into its vocabulary: printable ones are themselves, others come after 255. */
function byteLetters(): string[] {
  const isItself = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let others = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isItself(byte) ? byte : 256 + others++));
}
