/** Whose turn it is: tenants by what they were given of late, the requests of one by priority and age. */

/** What a place in the line goes by. */
export interface Claim {
  readonly tenant: string;
  /** Higher goes first within a tenant. */
  readonly priority: number;
  /** When it came, in ms. */
  readonly since: number;
}

/** A priority higher by one counts as much as this long a wait, so nobody waits for ever behind later ones. */
const MS_PER_PRIORITY = 1_000;

/**
 * Weighted fair queueing (Goyal et al., "Start-time fair queuing", 1996): each tenant's clock runs by the tokens that it
 * is given over its weight, and the one whose clock is least far goes next. One that comes back after a pause starts with
 * those who are there: a pause earns nothing.
 */
export class FairShares {
  readonly #weightOf: (tenant: string) => number;
  /** Of those ahead of the floor. */
  readonly #clocks = new Map<string, number>();
  #floor = 0;

  /** @param weightOf above 0 */
  constructor(weightOf: (tenant: string) => number) {
    this.#weightOf = weightOf;
  }

  /** Told before each choice: the tenants that want something. Cost O(tenants). */
  present(tenants: ReadonlySet<string>): void {
    if (tenants.size === 0) this.#floor = Math.max(this.#floor, ...this.#clocks.values());
    else this.#floor = Math.max(this.#floor, Math.min(...[...tenants].map((tenant) => this.#clockOf(tenant))));
    for (const [tenant, clock] of this.#clocks) if (clock <= this.#floor) this.#clocks.delete(tenant);
  }

  charge(tenant: string, tokens: number): void {
    this.#clocks.set(tenant, this.#clockOf(tenant) + tokens / this.#weightOf(tenant));
  }

  /**
   * The claim that goes next, or undefined when there is none.
   * @param owed tokens that a tenant will be charged anyway
   */
  first<T extends Claim>(claims: readonly T[], owed: (tenant: string) => number = () => 0): T | undefined {
    const clocks = new Map<string, number>();
    for (const { tenant } of claims) {
      if (!clocks.has(tenant)) clocks.set(tenant, this.#clockOf(tenant) + owed(tenant) / this.#weightOf(tenant));
    }
    const least = Math.min(...clocks.values());
    const among = claims.filter(({ tenant }) => clocks.get(tenant) === least);
    const tenant = firstBy(among, ({ since }) => since)?.tenant;
    return firstBy(
      among.filter((one) => one.tenant === tenant),
      rankOf,
    );
  }

  #clockOf(tenant: string): number {
    return Math.max(this.#clocks.get(tenant) ?? 0, this.#floor);
  }
}

/** The one with the least measure; of equals, the one that stands first. */
function firstBy<T>(all: readonly T[], measure: (one: T) => number): T | undefined {
  return all.reduce<T | undefined>(
    (best, one) => (best === undefined || measure(one) < measure(best) ? one : best),
    undefined,
  );
}

/** Of one tenant's claims the least goes first. */
function rankOf({ since, priority }: Claim): number {
  return since - priority * MS_PER_PRIORITY;
}
