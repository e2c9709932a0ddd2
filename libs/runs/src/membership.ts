import { Unavailable } from '#errors';
import { leasesLost } from './instruments.ts';
import type { Statements } from './store/database.ts';
import { endLease, renewLease, type Worker } from './store/workers.ts';

/**
 * A worker's place in the fleet: one lease row, renewed three times per lease. While it lives, the worker owns what it
 * claimed; when it cannot be renewed in time, `lost` fires and whatever the worker still does will not be committed.
 */
export class Membership {
  readonly #database: Statements;
  readonly #leaseMs: number;
  readonly #lost = new AbortController();
  #worker: Worker;
  readonly #slots: number;
  #retired = false;
  #drains = false;
  #onDrain: (drains: boolean) => void = () => undefined;
  #renewedAt = performance.now();
  #timer: NodeJS.Timeout;
  #renewing: Promise<void> = Promise.resolve();

  private constructor(database: Statements, worker: Worker, leaseMs: number) {
    this.#database = database;
    this.#worker = worker;
    this.#slots = worker.slots;
    this.#leaseMs = leaseMs;
    this.#timer = setInterval(() => this.#tick(), leaseMs / 3);
  }

  static async begin(database: Statements, worker: Worker, leaseMs: number): Promise<Membership> {
    await renewLease(database, worker, leaseMs);
    return new Membership(database, worker, leaseMs);
  }

  get workerId(): string {
    return this.#worker.workerId;
  }

  /** Fires when the lease ended without the worker's will. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Says that the worker takes no more work but still owns what it has. A database that is away learns it later. */
  async retire(): Promise<void> {
    this.#retired = true;
    this.#worker = { ...this.#worker, slots: 0 };
    await this.#renewing;
    if (!this.#lost.signal.aborted) await this.#renew();
  }

  /** Calls back when an autoscaler wants the worker to take nothing new, or to take work again. */
  onDrain(listener: (drains: boolean) => void): void {
    this.#onDrain = listener;
    if (this.#drains) listener(true);
  }

  /** Stops renewing and gives up the lease, so that others may take over at once. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
    await endLease(this.#database, this.workerId);
  }

  #tick(): void {
    if (performance.now() - this.#renewedAt > this.#leaseMs) {
      // Never renewed again: a worker that gave up its runs must not claim them anew when the database is back.
      clearInterval(this.#timer);
      leasesLost.add(1);
      this.#lost.abort(new Unavailable(`The lease of ${this.workerId} ran out: the database was away for too long.`));
      return;
    }
    this.#renewing = this.#renew();
  }

  async #renew(): Promise<void> {
    const startedAt = performance.now();
    try {
      const drains = await renewLease(this.#database, this.#worker, this.#leaseMs);
      // Counted from when it was asked for: by then it held at the latest, even where the answer took long.
      this.#renewedAt = Math.max(this.#renewedAt, startedAt);
      await this.#heed(drains);
    } catch {
      // The database may be away for a moment. Only a lease that has run out is lost, and the next tick sees that.
    }
  }

  /** The fleet is told at once of slots that came or went: whoever drains it waits for that. */
  async #heed(drains: boolean): Promise<void> {
    if (drains === this.#drains || this.#retired) return;
    this.#drains = drains;
    this.#worker = { ...this.#worker, slots: drains ? 0 : this.#slots };
    this.#onDrain(drains);
    await renewLease(this.#database, this.#worker, this.#leaseMs);
  }
}
