import { randomUUID } from 'node:crypto';
import { Aborted, Unavailable } from '#errors';
import { awaitHint, type Bus } from '../bus.ts';
import { evidenceGiven, evidenceUnkept } from '../instruments.ts';
import type { Statements } from '../store/database.ts';
import {
  type ClaimTimes,
  claimEntry,
  type Entry,
  type EntryClaim,
  type EntryKey,
  findEntry,
  type Reach,
  releaseEntry,
  renewClaim,
  settleEntry,
} from './entries.ts';
import { pack, unpack } from './packing.ts';

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

/** Somebody in this process who waits for a thing. */
export interface Want {
  readonly freshMs: number;
  /** On the clock of `performance`. */
  readonly askedAt: number;
  make(signal: AbortSignal): Promise<Made<unknown>>;
  resolve(shared: Shared<unknown>): void;
  reject(error: unknown): void;
}

/** What a flight works with. */
export interface FlightParts {
  readonly database: Statements;
  readonly bus: Bus;
  readonly times: ClaimTimes;
}

/** Beyond this, a value would outlive everything that it is for; and timestamps have an end. */
const longestKeepMs = 365 * 86_400_000;

/**
 * Gets one thing for all in this process who want it now: finds it, waits for whoever makes it, or makes it. It lasts while
 * somebody waits.
 */
export class Flight {
  readonly #parts: FlightParts;
  readonly #key: EntryKey;
  readonly #onEnd: () => void;
  readonly #wants = new Set<Want>();
  readonly #over = new AbortController();
  /** While this process makes it. */
  #claim: EntryClaim | null = null;

  /** @param onEnd told, before anyone could join, that it takes nobody any more; may come twice */
  constructor(parts: FlightParts, key: EntryKey, onEnd: () => void) {
    this.#parts = parts;
    this.#key = key;
    this.#onEnd = onEnd;
  }

  join(want: Want): void {
    this.#wants.add(want);
  }

  /** The making goes on while another process waits for it. */
  leave(want: Want): void {
    this.#wants.delete(want);
    if (this.#wants.size > 0) return;
    if (this.#claim === null) this.#end();
    else void this.#renew(this.#claim);
  }

  /** Ends it for all who wait; {@link fly} returns when its claim was given up. */
  stop(error: Aborted): void {
    this.#refuse(error);
    this.#end();
  }

  /** Returns when everybody got what they want, or a fault. With the database away, each process makes it for itself. */
  async fly(): Promise<void> {
    try {
      for (let listens = false; this.#wants.size > 0; ) listens = await this.#look(listens);
    } catch (error) {
      if (error instanceof Unavailable) await this.#makeAlone();
      else this.#refuse(error);
    } finally {
      this.#onEnd();
    }
  }

  /** @returns whether the next look is to wait for a hint */
  async #look(listens: boolean): Promise<boolean> {
    const { database, bus, times } = this.#parts;
    // Begun before the look, so that no hint falls between the two.
    const hint = listens ? awaitHint(bus, topicOf(this.#key), times.pollMs, this.#over.signal) : null;
    try {
      const entry = await findEntry(database, this.#key, this.#reach());
      if (entry !== null) {
        await this.#give(entry, performance.now());
        return listens;
      }
      const claim = { ...this.#key, claimId: randomUUID() };
      const found = await claimEntry(database, claim, this.#reach(), times);
      if (found === 'there') return listens;
      if (found === 'mine') await this.#makeUnder(claim);
      else await hint?.came;
      return true;
    } finally {
      hint?.drop();
    }
  }

  #reach(): Reach {
    const now = performance.now();
    const wants = [...this.#wants].map(({ askedAt, freshMs }) => ({ elapsedMs: now - askedAt, freshMs }));
    return {
      elapsedMs: Math.max(0, ...wants.map(({ elapsedMs }) => elapsedMs)),
      freshMs: Math.max(0, ...wants.map(({ elapsedMs, freshMs }) => elapsedMs + freshMs)),
    };
  }

  /** Gives an entry to all whom it serves. @param now when it was found */
  async #give(entry: Entry, now: number): Promise<void> {
    const shared = { value: await unpack(entry.value), madeAt: entry.madeAt.toISOString(), shared: true };
    for (const want of this.#wants) {
      const elapsedMs = now - want.askedAt;
      const awaited = entry.ageMs <= elapsedMs;
      if (!awaited && (entry.expired || entry.ageMs > elapsedMs + want.freshMs)) continue;
      this.#wants.delete(want);
      evidenceGiven.add(1, { outcome: awaited ? 'waited' : 'hit' });
      want.resolve(shared);
    }
  }

  /** Has one after the other of those who wait make it, until one succeeds or nobody is left. */
  async #makeUnder(claim: EntryClaim): Promise<void> {
    const { database, bus, times } = this.#parts;
    this.#claim = claim;
    const timer = setInterval(() => void this.#renew(claim), times.leaseMs / 3);
    let stored = false;
    try {
      for (let [maker] = this.#wants; maker !== undefined; [maker] = this.#wants) {
        const made = await this.#makeBy(maker);
        if (made === null) continue;
        stored = await this.#settle(claim, made, maker);
        return;
      }
    } finally {
      clearInterval(timer);
      this.#claim = null;
      // With the database away, it runs out.
      if (!stored) await releaseEntry(database, claim).catch(() => undefined);
      bus.publish(topicOf(this.#key));
    }
  }

  /** What is made without a claim is given to those who wait here, and not kept. */
  async #makeAlone(): Promise<void> {
    for (let [maker] = this.#wants; maker !== undefined; [maker] = this.#wants) {
      const made = await this.#makeBy(maker);
      if (made !== null) this.#giveMade(made.value, null, maker);
    }
  }

  /** @returns null when it failed, which only its own caller is told */
  async #makeBy(maker: Want): Promise<Made<unknown> | null> {
    const { signal } = this.#over;
    const over = Promise.withResolvers<never>();
    const onOver = (): void => over.reject(signal.reason);
    signal.addEventListener('abort', onOver, { once: true });
    try {
      // A maker that does not heed its signal holds up nobody.
      return await Promise.race([maker.make(signal), over.promise]);
    } catch (error) {
      if (!signal.aborted) evidenceGiven.add(1, { outcome: 'failed' });
      if (this.#wants.delete(maker)) maker.reject(error);
      return null;
    } finally {
      signal.removeEventListener('abort', onOver);
    }
  }

  /** Gives what was made to all who wait, even where it cannot be stored. @returns whether it was */
  async #settle(claim: EntryClaim, { value, keepMs }: Made<unknown>, maker: Want): Promise<boolean> {
    const packed = await pack(value);
    const kept = Math.min(Math.max(0, keepMs), longestKeepMs);
    const storedAt =
      packed === null ? null : await settleEntry(this.#parts.database, claim, packed, kept).catch(() => null);
    this.#giveMade(value, storedAt, maker);
    return storedAt !== null;
  }

  /** @param storedAt null when it was not */
  #giveMade(value: unknown, storedAt: Date | null, maker: Want): void {
    if (storedAt === null) evidenceUnkept.add(1);
    evidenceGiven.add(1, { outcome: 'made' });
    const madeAt = (storedAt ?? new Date()).toISOString();
    for (const want of this.#wants) {
      if (want !== maker) evidenceGiven.add(1, { outcome: 'waited' });
      want.resolve({ value, madeAt, shared: want !== maker });
    }
    this.#wants.clear();
  }

  async #renew(claim: EntryClaim): Promise<void> {
    // A database that is away for a moment is asked again; a claim that runs out meanwhile may be another's.
    const wanted = await renewClaim(this.#parts.database, claim, this.#parts.times.leaseMs).catch(() => false);
    if (!wanted && this.#wants.size === 0 && this.#claim === claim) this.#end();
  }

  #refuse(error: unknown): void {
    for (const want of this.#wants) want.reject(error);
    this.#wants.clear();
  }

  #end(): void {
    this.#onEnd();
    this.#over.abort(new Aborted('Nobody waits for it any more.'));
  }
}

function topicOf({ tenantId, hash }: EntryKey): string {
  return `evidence ${tenantId} ${hash}`;
}
