/** Which server keeps the cache of a session: small state that a fleet shares, for whoever the app hands it to. */

/** The server that a session is at. */
export interface SessionEntry {
  /** As those who ask name their servers. */
  readonly group: string;
  /** Grows by one with each move. */
  readonly epoch: number;
  /** Since it moved there. */
  readonly ageMs: number;
}

/** Nothing depends on an entry being there: one that is lost costs a cache. */
export interface Sessions {
  find(session: string): Promise<SessionEntry | null>;
  /**
   * Moves a session if its epoch still is this one, 0 for one without an entry. One whose entry was lost meanwhile moves.
   * @returns the entry that holds now, which is another one where somebody was faster
   */
  move(session: string, group: string, epoch: number): Promise<SessionEntry>;
  forget(session: string): Promise<void>;
}

/** An entry that nobody asked for is forgotten after so long: its server has given the cache up by then. */
export const sessionLifeMs = 2 * 3_600_000;

const mostSessions = 100_000;

/** The sessions of a single process. */
export class LocalSessions implements Sessions {
  readonly #now: () => number;
  /** The least recently used first. */
  readonly #entries = new Map<string, { group: string; epoch: number; since: number; usedAt: number }>();

  /** @param now milliseconds, never running backwards */
  constructor(now: () => number) {
    this.#now = now;
  }

  async find(session: string): Promise<SessionEntry | null> {
    const now = this.#now();
    const entry = this.#entries.get(session);
    this.#entries.delete(session);
    if (entry === undefined || now - entry.usedAt >= sessionLifeMs) return null;
    this.#entries.set(session, { ...entry, usedAt: now });
    return { group: entry.group, epoch: entry.epoch, ageMs: now - entry.since };
  }

  async move(session: string, group: string, epoch: number): Promise<SessionEntry> {
    const standing = await this.find(session);
    if (standing !== null && standing.epoch !== epoch) return standing;
    const now = this.#now();
    this.#entries.set(session, { group, epoch: epoch + 1, since: now, usedAt: now });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > mostSessions && oldest !== undefined) this.#entries.delete(oldest);
    return { group, epoch: epoch + 1, ageMs: 0 };
  }

  async forget(session: string): Promise<void> {
    this.#entries.delete(session);
  }
}
