import type { Gate, Grant, PaceRule, Refusal } from './gate.ts';

/** Told when a gate that many processes share goes away and comes back. */
export interface GateWatch {
  away(cause: unknown): void;
  back(): void;
}

/** How long a gate that failed is left alone: no caller waits for each of its failures. */
const shunMs = 1_000;

/**
 * A shared gate that may be away. Meanwhile each process keeps the same rules by itself: too fast by the number of
 * processes at worst, and nobody is stuck.
 */
export class SteadyGate implements Gate {
  readonly #shared: Gate;
  readonly #own: Gate;
  readonly #watch: GateWatch;
  #away = false;
  #shunUntil = 0;

  constructor(shared: Gate, own: Gate, watch: GateWatch) {
    this.#shared = shared;
    this.#own = own;
    this.#watch = watch;
  }

  async take(key: string, rule: PaceRule): Promise<Grant | Refusal> {
    return await this.#steady(
      async () => await this.#shared.take(key, rule),
      async () => await this.#own.take(key, rule),
    );
  }

  async rest(key: string, ms: number): Promise<void> {
    // Kept here, too, for the time when the shared gate is away.
    await this.#own.rest(key, ms);
    await this.#steady(
      async () => await this.#shared.rest(key, ms),
      async () => undefined,
    );
  }

  async #steady<T>(shared: () => Promise<T>, own: () => Promise<T>): Promise<T> {
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
