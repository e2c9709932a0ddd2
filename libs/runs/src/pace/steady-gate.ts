import type { Gate, Grant, PaceRule, Refusal } from './gate.ts';
import { type SharedWatch, Steady } from './steady.ts';

/**
 * A shared gate that may be away. Meanwhile each process keeps the same rules by itself: too fast by the number of
 * processes at worst, and nobody is stuck.
 */
export class SteadyGate implements Gate {
  readonly #shared: Gate;
  readonly #own: Gate;
  readonly #steady: Steady;

  constructor(shared: Gate, own: Gate, watch: SharedWatch) {
    this.#shared = shared;
    this.#own = own;
    this.#steady = new Steady(watch);
  }

  async take(key: string, rule: PaceRule): Promise<Grant | Refusal> {
    return await this.#steady.use(
      async () => await this.#shared.take(key, rule),
      async () => await this.#own.take(key, rule),
    );
  }

  async rest(key: string, ms: number): Promise<void> {
    // Kept here, too, for the time when the shared gate is away.
    await this.#own.rest(key, ms);
    await this.#steady.use(
      async () => await this.#shared.rest(key, ms),
      async () => undefined,
    );
  }
}
