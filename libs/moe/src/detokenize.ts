/** The text of generated tokens while they come. */

/** A token's bytes; none for control tokens. */
export type BytesOf = (id: number) => Uint8Array;

/**
 * Puts tokens together to text. What it gives ends with a whole character: the bytes of one that is not complete wait for
 * those that complete it. Bytes that are no UTF-8 become U+FFFD.
 */
export class Detokenizer {
  readonly #bytesOf: BytesOf;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(bytesOf: BytesOf) {
    this.#bytesOf = bytesOf;
  }

  /** Gives the text that became certain, '' when none did. Cost O(bytes). */
  push(id: number): string {
    return this.#decoder.decode(this.#bytesOf(id), { stream: true });
  }

  /** At the end of the reply: U+FFFD for a character that was never completed, else ''. */
  end(): string {
    return this.#decoder.decode();
  }
}
