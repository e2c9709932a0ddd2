/** Finds strings in a text of bytes, byte by byte (Aho and Corasick, CACM 18(6), 1975). */

/** What {@link Finder.next} gives when a string is complete. */
export const FOUND = -1;

/** States are whole numbers: 0 where no string has begun. Of one string alone, the state is how much of it has come. */
export class Finder {
  /** By state: where its bytes lead. */
  readonly #paths: Map<number, number>[] = [new Map()];
  readonly #ends: boolean[] = [false];
  /** The state of the longest end of the text that also begins a string. */
  readonly #fallback: number[] = [0];

  /** Bytes of the longest string. */
  readonly longest: number;

  /** @param strings none of them empty */
  constructor(strings: readonly Uint8Array[]) {
    this.longest = strings.reduce((longest, { length }) => Math.max(longest, length), 0);
    for (const string of strings) this.#insert(string);
    this.#linkBack();
  }

  /** Cost O(length of the longest string) at worst. */
  next(state: number, byte: number): number {
    for (let at = state; ; at = this.#fallback[at] ?? 0) {
      const to = this.#paths[at]?.get(byte);
      if (to !== undefined) return this.#ends[to] ? FOUND : to;
      if (at === 0) return 0;
    }
  }

  #insert(string: Uint8Array): void {
    let at = 0;
    for (const byte of string) {
      const path = this.#paths[at] ?? new Map<number, number>();
      const to = path.get(byte) ?? this.#paths.push(new Map()) - 1;
      path.set(byte, to);
      at = to;
    }
    this.#ends[at] = true;
  }

  /** By rising length, so that what is fallen back on is known. */
  #linkBack(): void {
    let level = [...(this.#paths[0]?.values() ?? [])];
    for (const first of level) this.#fallback[first] = 0;
    while (level.length > 0) {
      level = level.flatMap((from) => {
        return [...(this.#paths[from] ?? [])].map(([byte, to]) => {
          this.#fallback[to] = this.#backFrom(this.#fallback[from] ?? 0, byte);
          this.#ends[to] ||= this.#ends[this.#fallback[to] ?? 0] ?? false;
          return to;
        });
      });
    }
  }

  #backFrom(state: number, byte: number): number {
    for (let at = state; ; at = this.#fallback[at] ?? 0) {
      const to = this.#paths[at]?.get(byte);
      if (to !== undefined) return to;
      if (at === 0) return 0;
    }
  }
}
