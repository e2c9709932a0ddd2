import { count, intervalMs, type PaceRule, refusalOf, type Standing } from '../pace/gate.ts';
import { Standings } from '../pace/standings.ts';
import { type SharedWatch, Steady } from '../pace/steady.ts';

/** How often something may happen; `burst` at once after a quiet time. */
export type RateRule = Pick<PaceRule, 'perSecond' | 'burst'>;

/** Whom a request counts for. */
export interface RateClaim {
  readonly key: string;
  readonly rule: RateRule;
}

/** What is left of a claim. */
export interface RateStanding {
  /** Requests that may come at once. */
  readonly remaining: number;
  /** Until as many may come as after a quiet time. */
  readonly resetMs: number;
}

/** Whether a request may be, and how each of its claims stands now. */
export interface Rated {
  readonly granted: boolean;
  /** The least time until it may be; 0 when it was granted. */
  readonly retryAfterMs: number;
  readonly standings: readonly RateStanding[];
}

/** Counts requests by the GCRA, for all who share it. */
export interface Rates {
  /** Counts a request for all of its claims, or, when one of them refuses it, for none. */
  take(claims: readonly RateClaim[]): Promise<Rated>;
}

/** The same of a single process. */
export class LocalRates implements Rates {
  readonly #standings: Standings;
  readonly #now: () => number;

  /** @param now milliseconds since 1970 */
  constructor(now: () => number) {
    this.#now = now;
    this.#standings = new Standings(now);
  }

  async take(claims: readonly RateClaim[]): Promise<Rated> {
    const now = this.#now();
    const held = claims.map(({ key, rule }) => ({ standing: this.#standings.of(key), rule: paceOf(rule) }));
    const waits = held.map(({ standing, rule }) => refusalOf(standing, rule, now)?.retryAfterMs ?? 0);
    const retryAfterMs = Math.max(0, ...waits);
    if (retryAfterMs === 0) for (const { standing, rule } of held) count(standing, rule, now);
    const standings = held.map(({ standing, rule }) => standingOf(standing, rule, now));
    return { granted: retryAfterMs === 0, retryAfterMs, standings };
  }
}

function paceOf(rule: RateRule): PaceRule {
  return { ...rule, parallel: Number.POSITIVE_INFINITY, perDay: null };
}

function standingOf({ paidAt }: Standing, rule: PaceRule, now: number): RateStanding {
  // A slower rule that was there before has no say.
  const resetMs = Math.min(Math.max(0, paidAt - now), rule.burst * intervalMs(rule));
  return { remaining: remainingOf(resetMs, rule), resetMs: Math.ceil(resetMs) };
}

/** Requests that may come at once when all that came are paid off in `resetMs`. */
export function remainingOf(resetMs: number, rule: RateRule): number {
  // Of differences of instants the last digits are chance.
  return Math.max(0, Math.floor(rule.burst - (resetMs * rule.perSecond) / 1000 + 1e-6));
}

/** Of the rate of all processes, one alone keeps to this part while it cannot ask the others. */
const aloneShare = 1 / 4;

/** Shared rates that may be away: meanwhile each process keeps to a small part of them by itself. */
export class SteadyRates implements Rates {
  readonly #shared: Rates;
  readonly #own: Rates;
  readonly #steady: Steady;

  constructor(shared: Rates, own: Rates, watch: SharedWatch) {
    this.#shared = shared;
    this.#own = own;
    this.#steady = new Steady(watch);
  }

  async take(claims: readonly RateClaim[]): Promise<Rated> {
    return await this.#steady.use(
      async () => await this.#shared.take(claims),
      async () => await this.#own.take(claims.map(({ key, rule }) => ({ key, rule: partOf(rule) }))),
    );
  }
}

function partOf({ perSecond, burst }: RateRule): RateRule {
  return { perSecond: perSecond * aloneShare, burst: Math.max(1, Math.floor(burst * aloneShare)) };
}
