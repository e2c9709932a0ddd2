/**
 * Shares the time in which anything runs among those that run: of each moment, everyone its equal part. The shares add up
 * to the time in which at least one ran; time in which nothing runs is nobody's. Each operation costs O(1).
 */
export class SharedTime {
  readonly #now: () => number;
  #running = 0;
  #at = 0;
  #busyMs = 0;
  /** What somebody would have had who ran from the start. */
  #eachMs = 0;

  /** @param now milliseconds, never running backwards */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Somebody begins to run. @returns ends that; from then on it is the same: its share in ms */
  begin(): () => number {
    this.#pass();
    this.#running += 1;
    const from = this.#eachMs;
    let shareMs: number | null = null;
    return () => {
      if (shareMs !== null) return shareMs;
      this.#pass();
      this.#running -= 1;
      shareMs = this.#eachMs - from;
      return shareMs;
    };
  }

  /** How long anybody ran, until now. */
  get busyMs(): number {
    this.#pass();
    return this.#busyMs;
  }

  #pass(): void {
    const now = this.#now();
    const ms = this.#running === 0 ? 0 : now - this.#at;
    this.#at = now;
    if (ms <= 0) return;
    this.#busyMs += ms;
    this.#eachMs += ms / this.#running;
  }
}
