/** How fast one host or provider may be asked by the whole fleet. */
export interface PaceRule {
  /** Turns per second in the long run; above 0. */
  readonly perSecond: number;
  /** Turns that may begin at once after a quiet time; at least 1. */
  readonly burst: number;
  /** Turns under way at the same time; at least 1. */
  readonly parallel: number;
  /** Turns per UTC day; null for no limit. */
  readonly perDay: number | null;
}

/**
 * Leave to ask, or why not. `busy`: no turn came free within the patience; `resting`: the other side asked for a break or
 * failed too often; `quota`: the day's turns are used up. `retryAfterMs` is a lower bound.
 */
export type Turn =
  | { readonly granted: true; readonly done: () => Promise<void> }
  | { readonly granted: false; readonly why: 'busy' | 'resting' | 'quota'; readonly retryAfterMs: number };

/** Politeness towards hosts and providers, counted over all tool workers of a fleet (in one process when embedded). */
export interface Pace {
  /**
   * Waits for a turn at `key` for at most `patienceMs`. A granted turn counts until `done` is called, or for two minutes
   * when its worker died.
   * @throws Aborted when `signal` fires
   */
  turn(key: string, rule: PaceRule, wait: { readonly patienceMs: number; readonly signal: AbortSignal }): Promise<Turn>;
  /** Nobody gets a turn at `key` for this long: the other side said so (Retry-After) or keeps failing. */
  rest(key: string, ms: number): Promise<void>;
}
