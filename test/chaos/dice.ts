/** Chance that can be repeated. */

/** How often each scenario is played, each time with other chances; `npm run chaos -- --rounds N` sets it. */
const rounds = Number(process.env['CHAOS_ROUNDS'] ?? 1);

/** For `it.each`: the number of each round, from 0. */
export const eachRound: readonly (readonly [number])[] = Array.from({ length: rounds }, (_, round) => [round] as const);

/** What the name of a scenario ends with. */
export const nth = rounds > 1 ? ', round %s' : '';

/** What all chance of this run of the tests follows from; `npm run chaos -- --seed N` repeats one. */
export const seed = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000);

/** One die of a scenario: the same seed and the same name give the same throws. */
export class Dice {
  #state: number;

  constructor(name: string) {
    this.#state = [...`${seed} ${name}`].reduce((hash, char) => Math.imul(hash ^ char.charCodeAt(0), 16_777_619), seed);
  }

  /** Uniform in [0, 1): mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** One of some. @throws RangeError for none */
  pick<T>(from: readonly T[]): T {
    const picked = from[this.between(0, from.length - 1)];
    if (picked === undefined) throw new RangeError('there is nothing to pick from');
    return picked;
  }

  /** The same in another order. */
  shuffle<T>(from: readonly T[]): T[] {
    return from
      .map((value) => ({ value, place: this.next() }))
      .toSorted((a, b) => a.place - b.place)
      .map(({ value }) => value);
  }
}
