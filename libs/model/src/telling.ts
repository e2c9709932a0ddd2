import type { OnDelta } from './chat-model.ts';

/** Passes a reply on as it comes. One that begins again is told from where it was left, or anew where it is another text. */
export class Telling {
  readonly #onDelta: OnDelta;
  #told = '';
  /** Of the present try, what repeats the one before. Null: it goes on behind it. */
  #repeated: string | null = null;

  constructor(onDelta: OnDelta) {
    this.#onDelta = onDelta;
  }

  /** A try begins. */
  begin(): void {
    this.#repeated = this.#told === '' ? null : '';
  }

  push(text: string): void {
    if (text === '') return;
    if (this.#repeated === null) {
      this.#tell(text);
      return;
    }
    this.#repeated += text;
    if (this.#told.startsWith(this.#repeated)) return;
    const isSame = this.#repeated.startsWith(this.#told);
    const fresh = isSame ? this.#repeated.slice(this.#told.length) : this.#repeated;
    if (!isSame) this.#told = '';
    this.#repeated = null;
    this.#tell(fresh);
  }

  #tell(text: string): void {
    this.#told += text;
    this.#onDelta(text);
  }
}
