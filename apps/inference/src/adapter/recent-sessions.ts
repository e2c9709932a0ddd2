/** Sessions that had a turn of late, of which the server may still hold keys and values. */

/** How long after its last turn a session is taken to be there. */
const keptMs = 30 * 60_000;
/** The oldest of more are forgotten. */
const mostSessions = 100_000;

export class RecentSessions {
  readonly #now: () => number;
  /** By the time of the last turn, the oldest first. */
  readonly #turns = new Map<string, number>();

  /** @param now milliseconds, never running backwards */
  constructor(now: () => number) {
    this.#now = now;
  }

  get count(): number {
    this.#expire();
    return this.#turns.size;
  }

  has(session: string | null): boolean {
    this.#expire();
    return session !== null && this.#turns.has(session);
  }

  /** A turn of the session begins or ends. */
  note(session: string | null): void {
    if (session === null) return;
    this.#turns.delete(session);
    this.#turns.set(session, this.#now());
    this.#expire();
  }

  forget(session: string): void {
    this.#turns.delete(session);
  }

  #expire(): void {
    const since = this.#now() - keptMs;
    for (const [session, at] of this.#turns) {
      if (at >= since && this.#turns.size <= mostSessions) return;
      this.#turns.delete(session);
    }
  }
}
