/** Cuts generated text at the first stop string, however the pieces fall. */
export class StopCut {
  readonly #stops: readonly string[];
  readonly #firsts: readonly string[];
  #held = '';
  #stopped = false;

  /** @param stops non-empty strings */
  constructor(stops: readonly string[]) {
    this.#stops = stops;
    this.#firsts = [...new Set(stops.map((stop) => stop.charAt(0)))];
  }

  /** Takes the next piece; gives the text that is now certain, '' when none is. Cost O(piece + longest stop) a stop. */
  push(piece: string): string {
    if (this.#stopped) return '';
    if (this.#held === '' && this.#firsts.every((first) => !piece.includes(first))) return piece;
    const text = this.#held + piece;
    const stop = firstStop(text, this.#stops);
    this.#stopped = stop >= 0;
    const certain = this.#stopped ? stop : text.length - possibleStart(text, this.#stops);
    this.#held = this.#stopped ? '' : text.slice(certain);
    return text.slice(0, certain);
  }

  /** Gives what was held back because it could have become a stop string. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  /** True once a stop string came; everything behind it is dropped. */
  get stopped(): boolean {
    return this.#stopped;
  }
}

/** Offset of the first stop string, or -1. */
function firstStop(text: string, stops: readonly string[]): number {
  let first = -1;
  for (const stop of stops) {
    const at = text.indexOf(stop);
    if (at >= 0 && (first < 0 || at < first)) first = at;
  }
  return first;
}

/** Length of the longest end of `text` with which some stop string begins. */
function possibleStart(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    const first = stop.charAt(0);
    let at = text.indexOf(first, Math.max(0, text.length - stop.length + 1));
    while (at >= 0 && !stop.startsWith(text.slice(at))) at = text.indexOf(first, at + 1);
    if (at >= 0) longest = Math.max(longest, text.length - at);
  }
  return longest;
}
