/** Which sessions a group takes. It reserves tokens, not requests: what it holds of a session is of use until its last turn. */

export interface AdmissionLimits {
  /** For all sessions together. */
  readonly totalTokens: number;
  /** What was reserved for a session that asks nothing for so long is given to others. */
  readonly idleMs: number;
}

interface Resident {
  reservedTokens: number;
  readonly since: number;
  usedAt: number;
  /** Turns under way. */
  turns: number;
  /** Of its text so far; 0 until a turn came to its end. */
  tokens: number;
}

/** Bounds of what those who find no room are told to wait. */
const leastWaitMs = 1_000;
const longestWaitMs = 60_000;
/** Of the lives of sessions, how much the last one weighs. */
const newestWeight = 0.2;
/** Of their mean, what one is taken to have left that has lived for longer. */
const overdueShare = 0.05;

/**
 * Sessions that are known always pass, and a new one only when what it may come to need fits beside what was reserved for
 * the others: past that point each turn would push out what another one needs next, and all of them would compute their
 * prompts anew. No clock: instants are in ms, and never run backwards.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #residents = new Map<string, Resident>();
  /** Of those that told their end; null until one has. */
  #meanLifeMs: number | null = null;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  get totalTokens(): number {
    return this.#limits.totalTokens;
  }

  reservedTokens(now: number): number {
    this.#dropIdle(now);
    return [...this.#residents.values()].reduce((sum, { reservedTokens }) => sum + reservedTokens, 0);
  }

  knows(session: string): boolean {
    return this.#residents.has(session);
  }

  /** Of what a session has come to; 0 for one that is not known. */
  tokensOf(session: string): number {
    return this.#residents.get(session)?.tokens ?? 0;
  }

  /**
   * A turn begins; {@link ended} must follow it.
   * @param wantedTokens what the session may come to need in all; a new one gets no more than there is
   * @param isKept it is new here, but what it needs is there still: then it passes as well
   * @returns null; or, for a new session without room, the ms after which there should be some
   */
  admit(session: string, wantedTokens: number, now: number, isKept = false): number | null {
    const known = this.#residents.get(session);
    if (known !== undefined) {
      known.turns += 1;
      known.usedAt = now;
      return null;
    }
    const wanted = Math.min(wantedTokens, this.#limits.totalTokens);
    const reserved = this.reservedTokens(now);
    if (!isKept && reserved > 0 && reserved + wanted > this.#limits.totalTokens)
      return this.#waitFor(wanted, reserved, now);
    this.#residents.set(session, { reservedTokens: wanted, since: now, usedAt: now, turns: 1, tokens: 0 });
    return null;
  }

  /** A turn is over. @param tokens that the session has come to; null where it came to nothing */
  ended(session: string, tokens: number | null, now: number): void {
    const known = this.#residents.get(session);
    if (known === undefined) return;
    known.turns -= 1;
    known.usedAt = now;
    if (tokens !== null) {
      known.tokens = tokens;
      known.reservedTokens = Math.max(known.reservedTokens, tokens);
    } else if (known.tokens === 0 && known.turns === 0) this.#residents.delete(session);
  }

  release(session: string, now: number): void {
    const known = this.#residents.get(session);
    if (known === undefined) return;
    const lifeMs = now - known.since;
    this.#meanLifeMs =
      this.#meanLifeMs === null ? lifeMs : this.#meanLifeMs + newestWeight * (lifeMs - this.#meanLifeMs);
    this.#residents.delete(session);
  }

  #dropIdle(now: number): void {
    for (const [session, { usedAt, turns }] of this.#residents) {
      if (turns === 0 && now - usedAt >= this.#limits.idleMs) this.#residents.delete(session);
    }
  }

  /** Until enough of the others should be over. */
  #waitFor(wanted: number, reserved: number, now: number): number {
    let missing = reserved + wanted - this.#limits.totalTokens;
    const ends = [...this.#residents.values()].map((one) => ({
      at: this.#endOf(one, now),
      tokens: one.reservedTokens,
    }));
    ends.sort((a, b) => a.at - b.at);
    let waitMs = longestWaitMs;
    for (const { at, tokens } of ends) {
      missing -= tokens;
      if (missing > 0) continue;
      waitMs = at - now;
      break;
    }
    return Math.ceil(Math.min(Math.max(waitMs, leastWaitMs), longestWaitMs));
  }

  /** By how long sessions live; at the latest when it has been idle for too long. One that lives longer ends before long. */
  #endOf({ since, usedAt, turns }: Resident, now: number): number {
    const idleEnd = (turns > 0 ? now : usedAt) + this.#limits.idleMs;
    if (this.#meanLifeMs === null) return idleEnd;
    return Math.min(idleEnd, Math.max(since + this.#meanLifeMs, now + overdueShare * this.#meanLifeMs));
  }
}
