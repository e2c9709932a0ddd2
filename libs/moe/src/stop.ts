/** Ends a text at the first stop string, however the pieces fall. */
import { possibleStart } from './held-back.ts';

/** What is certain after a piece: text, and the stop string that was met behind it. */
export interface Passed {
  readonly text: string;
  /** Null as long as the text goes on. */
  readonly stop: string | null;
}

export class StopFinder {
  readonly #stops: readonly string[];
  #held = '';

  /** @param stops non-empty strings; where two begin at one place, the first of the list is the one that is met */
  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /**
   * Takes the next piece. An end of the text with which a stop string begins is held back until the text goes on. Once a
   * stop string is met, nothing more may be pushed. Cost O((held + piece) * stops).
   */
  push(piece: string): Passed {
    const text = this.#held + piece;
    const stop = this.#firstIn(text);
    const certain = stop === null ? text.length - possibleStart(text, this.#stops) : text.indexOf(stop);
    this.#held = stop === null ? text.slice(certain) : '';
    return { text: text.slice(0, certain), stop };
  }

  /** At the end of the text: what was held back. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  #firstIn(text: string): string | null {
    let first: string | null = null;
    let least = Infinity;
    for (const stop of this.#stops) {
      const at = text.indexOf(stop);
      if (at >= 0 && at < least) [first, least] = [stop, at];
    }
    return first;
  }
}
