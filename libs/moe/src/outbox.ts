import type { Delta, Finished } from './generation.ts';

/** The request has a place in the batch. */
export interface Accepted {
  readonly kind: 'accepted';
  readonly queueMs: number;
  /** Of the prompt, found in the cache. */
  readonly cachedTokens: number;
}

/** `accepted` comes first, `finished` last. */
export type GenerationEvent = Accepted | Delta | Finished;

/** Tokens of one joined delta: with all log-probabilities that may be asked for it stays below a megabyte. */
const MOST_JOINED_TOKENS = 4_096;

/**
 * Events on their way to one reader. Deltas that a slow reader has not taken yet are joined, so that what waits is never
 * more than the reply itself and a few events.
 */
export class Outbox implements AsyncIterable<GenerationEvent> {
  readonly #waiting: GenerationEvent[] = [];
  #failure: { readonly error: unknown } | null = null;
  #wake: () => void = () => {};

  put(event: GenerationEvent): void {
    const last = this.#waiting.at(-1);
    const joins = event.kind === 'delta' && last?.kind === 'delta' && last.channel === event.channel;
    if (joins && last.tokenIds.length < MOST_JOINED_TOKENS)
      this.#waiting[this.#waiting.length - 1] = joined(last, event);
    else this.#waiting.push(event);
    this.#wake();
  }

  /** Nothing comes any more: the reader gets this error behind what waits. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  /** Ends behind `finished`. */
  async *[Symbol.asyncIterator](): AsyncGenerator<GenerationEvent> {
    for (;;) {
      const event = this.#waiting.shift();
      if (event !== undefined) {
        yield event;
        if (event.kind === 'finished') return;
      } else if (this.#failure !== null) {
        throw this.#failure.error;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

function joined(a: Delta, b: Delta): Delta {
  const { text, tokenIds, logprobs } = b;
  return { ...a, text: a.text + text, tokenIds: [...a.tokenIds, ...tokenIds], logprobs: [...a.logprobs, ...logprobs] };
}
