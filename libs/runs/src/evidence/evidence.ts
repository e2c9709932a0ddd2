import { Aborted } from '#errors';
import type { Bus } from '../bus.ts';
import { nameOf } from '../key-name.ts';
import type { Statements } from '../store/database.ts';
import type { ClaimTimes } from './entries.ts';
import { Flight, type Made, type Shared, type Want } from './flight.ts';

/** What is wanted, and how old it may be. */
interface Wanted {
  /** Whose it is: a tenant, whose entries no other tenant sees; null for what is public. */
  readonly tenantId: string | null;
  /** Names the thing among all things. */
  readonly key: string;
  /** An entry older than this is made anew, in milliseconds; 0 takes only what is being made now. */
  readonly freshMs: number;
  /** Ends this wait. The making goes on while others wait for it. */
  readonly signal: AbortSignal;
}

/** Older than anything that is kept. */
const longestFreshMs = 10 * 365 * 86_400_000;

/** A maker that died holds up the others for this long. */
const usualLeaseMs = 15_000;

/**
 * What was looked up already, in the database that all processes share: each thing is made once, however many want it at the
 * same time. Who makes it is a claim in its row, with a lease on the database's clock.
 */
export class Evidence {
  readonly #database: Statements;
  readonly #bus: Bus;
  readonly #times: ClaimTimes;
  readonly #flights = new Map<string, Flight>();
  readonly #flying = new Set<Promise<void>>();
  #closed = false;

  constructor(
    database: Statements,
    bus: Bus,
    { pollMs, leaseMs = usualLeaseMs }: Partial<ClaimTimes> & { pollMs: number },
  ) {
    this.#database = database;
    this.#bus = bus;
    this.#times = { pollMs, leaseMs };
  }

  /**
   * The value under the key if it is fresh, else what `make` gives; of all who want it at once one makes it and the others
   * wait. When its maker fails or dies, one of those who wait makes it. A maker may want other keys, never its own. With the
   * database away, each process makes it for itself, and what it makes is not kept.
   * @param make its `signal` fires when nobody waits any more; `value` must survive JSON, and is kept if that has at most
   *   32 MiB
   * @throws what `make` threw, to its own caller; Aborted when the signal fires or the process goes down
   */
  async share<T>(wanted: Wanted, make: (signal: AbortSignal) => Promise<Made<T>>): Promise<Shared<T>> {
    const { tenantId, key, signal } = wanted;
    if (tenantId === '') throw new RangeError('A tenant needs a name; null is for what is public.');
    if (signal.aborted || this.#closed) throw ended(key, signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<Shared<unknown>>();
    const freshMs = Math.min(Math.max(0, wanted.freshMs), longestFreshMs);
    const want: Want = { freshMs, askedAt: performance.now(), make, resolve, reject };
    const flight = this.#join(tenantId ?? '', key, want);
    const onAbort = (): void => {
      reject(ended(key, signal.reason));
      flight.leave(want);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      // Of its own make, or of one that another caller gave for the same key: who names a thing also says what it is.
      return (await promise) as Shared<T>;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Ends what is being made and gives up its claims, so that others make it at once. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const flight of this.#flights.values()) flight.stop(new Aborted('The process is going down.'));
    await Promise.all(this.#flying);
  }

  #join(tenantId: string, key: string, want: Want): Flight {
    const hash = nameOf(key);
    const place = `${tenantId} ${hash}`;
    const known = this.#flights.get(place);
    if (known !== undefined) {
      known.join(want);
      return known;
    }
    const parts = { database: this.#database, bus: this.#bus, times: this.#times };
    const flight: Flight = new Flight(parts, { tenantId, hash, key }, () => {
      if (this.#flights.get(place) === flight) this.#flights.delete(place);
    });
    this.#flights.set(place, flight);
    flight.join(want);
    const flying = flight.fly().finally(() => this.#flying.delete(flying));
    this.#flying.add(flying);
    return flight;
  }
}

function ended(key: string, cause: unknown): Aborted {
  return new Aborted(`The wait for ${key.slice(0, 200)} was ended.`, { cause });
}
