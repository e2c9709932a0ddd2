/** Sequences that wait for the next turn of their session, so that its prompt need not be computed again. */
import type { Sequence } from './model.ts';

interface Kept {
  readonly sequence: Sequence;
  /** What the sequence holds, token for token. */
  readonly tokens: readonly number[];
}

/** A sequence to go on from: its first `cachedTokens` are those of the prompt. */
export interface Resumed {
  readonly sequence: Sequence;
  readonly cachedTokens: number;
}

/** The least recently kept gives way first. */
export class Sessions {
  readonly #kept = new Map<string, Kept>();
  #tokens = 0;

  /** Tokens of all kept sequences. */
  get tokens(): number {
    return this.#tokens;
  }

  get count(): number {
    return this.#kept.size;
  }

  get names(): string[] {
    return [...this.#kept.keys()];
  }

  has(session: string): boolean {
    return this.#kept.has(session);
  }

  /**
   * Takes out what a session left, cut to what its new prompt shares with it; the last token of a prompt is always left
   * to compute, because the reply comes from what the model says behind it.
   * @returns null where nothing is kept for it
   */
  take(session: string, prompt: readonly number[]): Resumed | null {
    const kept = this.#remove(session);
    if (kept === undefined) return null;
    const cachedTokens = sharedLength(kept.tokens, prompt.slice(0, -1));
    kept.sequence.truncate(cachedTokens);
    return { sequence: kept.sequence, cachedTokens };
  }

  /** Keeps what a turn computed; of two turns of one session, the later. */
  keep(session: string, sequence: Sequence, tokens: readonly number[]): void {
    this.release(session);
    const held = tokens.slice(0, sequence.length);
    if (held.length === 0) {
      sequence.close();
      return;
    }
    this.#kept.set(session, { sequence, tokens: held });
    this.#tokens += held.length;
  }

  /** @returns the tokens that became free; 0 where nothing was kept */
  release(session: string): number {
    const kept = this.#remove(session);
    kept?.sequence.close();
    return kept?.tokens.length ?? 0;
  }

  /** Lets go until at most so many tokens are kept. */
  shrinkTo(tokens: number): void {
    for (const session of this.#kept.keys()) {
      if (this.#tokens <= tokens) return;
      this.release(session);
    }
  }

  #remove(session: string): Kept | undefined {
    const kept = this.#kept.get(session);
    if (kept === undefined) return undefined;
    this.#kept.delete(session);
    this.#tokens -= kept.tokens.length;
    return kept;
  }
}

function sharedLength(a: readonly number[], b: readonly number[]): number {
  let shared = 0;
  while (shared < a.length && shared < b.length && a[shared] === b[shared]) shared++;
  return shared;
}
