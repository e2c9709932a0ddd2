/** What is wanted, and how old it may be. */
export interface Wanted {
  /** Whose it is: a tenant, whose entries no other tenant sees; null for what is public. */
  readonly tenantId: string | null;
  /** Names the thing among all things: `fetch:<canonical URL>`, `search:<provider>:<query>`. */
  readonly key: string;
  /** An entry older than this is made anew, in milliseconds; 0 takes only what is being made now. */
  readonly freshMs: number;
  /** Ends this wait. The making goes on while others wait for it. */
  readonly signal: AbortSignal;
}

/** A value and how long others may have it, in milliseconds; 0: only those who wait for it now. */
export interface Made<T> {
  readonly value: T;
  readonly keepMs: number;
}

/** A value with the instant it was made (ISO 8601) and whether it was there already or made by somebody else. */
export interface Shared<T> {
  readonly value: T;
  readonly madeAt: string;
  readonly shared: boolean;
}

/** What the fleet has looked up already: each thing is fetched once, however many runs ask for it at the same time. */
export interface Evidence {
  /**
   * The value under `key` if it is fresh, else what `make` gives; of all who want it at once, in the whole fleet, one makes
   * it and the others wait. When its maker fails or dies, one of those who wait makes it.
   * @param make its `signal` fires when nobody waits any more; `value` must survive JSON and be at most 32 MiB of it
   * @throws what `make` threw, to its own caller; Aborted when `signal` fires
   */
  share<T>(wanted: Wanted, make: (signal: AbortSignal) => Promise<Made<T>>): Promise<Shared<T>>;
}
