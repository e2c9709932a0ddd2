import type { IncomingMessage } from 'node:http';

/** Kept for a reader that is slower than the network. */
const mostHeldBytes = 4 * 2 ** 20;

/**
 * Every byte of an answer that came. Read by itself, an answer that is cut off loses what had come and was not read yet.
 * While iterating it throws, behind them, what cut the answer off.
 */
export class AllReceived implements AsyncIterable<Uint8Array> {
  readonly #response: IncomingMessage;
  readonly #held: Buffer[] = [];
  #heldBytes = 0;
  #end: { readonly error: Error | null } | null = null;
  #wake = (): void => {};

  constructor(response: IncomingMessage) {
    this.#response = response;
    response.on('data', (piece: Buffer) => this.#take(piece));
    response.on('end', () => this.#close(null));
    response.on('error', (error) => this.#close(error));
    response.on('close', () => this.#close(new Error('the connection was closed')));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const piece = this.#held.shift();
        if (piece !== undefined) yield this.#given(piece);
        else if (this.#end === null) await this.#more();
        else if (this.#end.error === null) return;
        else throw this.#end.error;
      }
    } finally {
      this.#response.destroy();
    }
  }

  async #more(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  #take(piece: Buffer): void {
    this.#held.push(piece);
    this.#heldBytes += piece.length;
    if (this.#heldBytes > mostHeldBytes) this.#response.pause();
    this.#wake();
  }

  #given(piece: Buffer): Buffer {
    this.#heldBytes -= piece.length;
    if (this.#heldBytes <= mostHeldBytes / 2) this.#response.resume();
    return piece;
  }

  #close(error: Error | null): void {
    this.#end ??= { error };
    this.#wake();
  }
}
