import { randomUUID } from 'node:crypto';
import { count, type Gate, type Grant, type PaceRule, type Refusal, refusalOf, usualHoldMs } from './gate.ts';
import { Standings } from './standings.ts';

/** The gate of a single process. */
export class LocalGate implements Gate {
  readonly #standings: Standings;
  readonly #now: () => number;
  readonly #holdMs: number;

  /** @param now milliseconds since 1970 */
  constructor(now: () => number, holdMs = usualHoldMs) {
    this.#now = now;
    this.#standings = new Standings(now);
    this.#holdMs = holdMs;
  }

  /** Keys that it remembers something of. */
  get size(): number {
    return this.#standings.size;
  }

  async take(key: string, rule: PaceRule): Promise<Grant | Refusal> {
    const standing = this.#standings.of(key);
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
    const standing = this.#standings.of(key);
    standing.restUntil = Math.max(standing.restUntil, this.#now() + ms);
  }
}
