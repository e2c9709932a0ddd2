import { randomUUID } from 'node:crypto';
import {
  count,
  type Gate,
  type Grant,
  isIdle,
  newStanding,
  type PaceRule,
  type Refusal,
  refusalOf,
  type Standing,
  usualHoldMs,
} from './gate.ts';

/** Keys beyond which those that nobody uses are forgotten. */
const manyKeys = 1_000;

/** The gate of a single process. */
export class LocalGate implements Gate {
  readonly #standings = new Map<string, Standing>();
  readonly #now: () => number;
  readonly #holdMs: number;
  #sweepAt = manyKeys;

  /** @param now milliseconds since 1970 */
  constructor(now: () => number, holdMs = usualHoldMs) {
    this.#now = now;
    this.#holdMs = holdMs;
  }

  /** Keys that it remembers something of. */
  get size(): number {
    return this.#standings.size;
  }

  async take(key: string, rule: PaceRule): Promise<Grant | Refusal> {
    const standing = this.#standing(key);
    const now = this.#now();
    for (const [holder, until] of standing.held) if (until <= now) standing.held.delete(holder);
    const refusal = refusalOf(standing, rule, now);
    if (refusal !== null) return refusal;
    count(standing, rule, now);
    const holder = randomUUID();
    standing.held.set(holder, now + this.#holdMs);
    return { granted: true, give: async () => void standing.held.delete(holder) };
  }

  async rest(key: string, ms: number): Promise<void> {
    const standing = this.#standing(key);
    standing.restUntil = Math.max(standing.restUntil, this.#now() + ms);
  }

  #standing(key: string): Standing {
    const standing = this.#standings.get(key) ?? newStanding();
    this.#standings.set(key, standing);
    if (this.#standings.size > this.#sweepAt) this.#sweep(key);
    return standing;
  }

  /** Looks through all of them only when their number has doubled since the last time. */
  #sweep(wanted: string): void {
    const now = this.#now();
    for (const [key, standing] of this.#standings) {
      if (key !== wanted && isIdle(standing, now)) this.#standings.delete(key);
    }
    this.#sweepAt = Math.max(manyKeys, 2 * this.#standings.size);
  }
}
