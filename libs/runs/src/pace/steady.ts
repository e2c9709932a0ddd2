/** Told when something that many processes share goes away and comes back. */
export interface SharedWatch {
  away(cause: unknown): void;
  back(): void;
}

/** How long what failed is left alone: no caller waits for each of its failures. */
const shunMs = 1_000;

/** Uses something that many processes share, and something of one's own while that is away. */
export class Steady {
  readonly #watch: SharedWatch;
  #away = false;
  #shunUntil = 0;

  constructor(watch: SharedWatch) {
    this.#watch = watch;
  }

  async use<T>(shared: () => Promise<T>, own: () => Promise<T>): Promise<T> {
    if (performance.now() < this.#shunUntil) return await own();
    try {
      const result = await shared();
      if (this.#away) this.#watch.back();
      this.#away = false;
      return result;
    } catch (error) {
      this.#shunUntil = performance.now() + shunMs;
      if (!this.#away) this.#watch.away(error);
      this.#away = true;
      return await own();
    }
  }
}
