import { isIdle, newStanding, type Standing } from './gate.ts';

/** Keys beyond which those that nobody uses are forgotten. */
const manyKeys = 1_000;

/** What a single process knows of its keys. */
export class Standings {
  readonly #all = new Map<string, Standing>();
  readonly #now: () => number;
  #sweepAt = manyKeys;

  /** @param now milliseconds since 1970 */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Keys that it remembers something of. */
  get size(): number {
    return this.#all.size;
  }

  of(key: string): Standing {
    const standing = this.#all.get(key) ?? newStanding();
    this.#all.set(key, standing);
    if (this.#all.size > this.#sweepAt) this.#sweep(key);
    return standing;
  }

  /** Looks through all of them only when their number has doubled since the last time. */
  #sweep(wanted: string): void {
    const now = this.#now();
    for (const [key, standing] of this.#all) {
      if (key !== wanted && isIdle(standing, now)) this.#all.delete(key);
    }
    this.#sweepAt = Math.max(manyKeys, 2 * this.#all.size);
  }
}
