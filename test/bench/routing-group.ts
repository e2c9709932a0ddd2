import { Admission } from '#moe';

/** One group as the simulation knows it: a cache of whole conversations, one line for prompts, replies side by side. */
export interface GroupSize {
  readonly kvTokens: number;
  /** Prompt tokens a millisecond, one prompt after the other. */
  readonly prefillPerMs: number;
  /** Of each reply. */
  readonly decodePerMs: number;
}

export interface SimulatedTurn {
  readonly session: string;
  readonly promptTokens: number;
  readonly replyTokens: number;
  readonly arrivedAt: number;
}

/** A turn that has begun, with when it will end. */
export interface Begun {
  readonly turn: SimulatedTurn;
  readonly cachedTokens: number;
  readonly firstTokenAt: number;
  readonly endsAt: number;
}

/** Harsher than a cache of pages: what has to give way goes as a whole conversation. */
export class SimulatedGroup {
  readonly name: string;
  readonly admission: Admission;
  readonly #size: GroupSize;
  /** Tokens by session, the least recently used first. */
  readonly #kept = new Map<string, number>();
  readonly #running = new Map<string, number>();
  #queue: SimulatedTurn[] = [];
  #prefillFreeAt = 0;
  isDead = false;

  constructor(name: string, size: GroupSize) {
    this.name = name;
    this.#size = size;
    this.admission = new Admission({ totalTokens: size.kvTokens, idleMs: 900_000 });
  }

  get inFlight(): number {
    return this.#running.size + this.#queue.length;
  }

  backlogTokens(now: number): number {
    const underWay = Math.max(0, this.#prefillFreeAt - now) * this.#size.prefillPerMs;
    return underWay + this.#queue.reduce((sum, turn) => sum + turn.promptTokens - this.#cachedOf(turn), 0);
  }

  /** @returns what begins now */
  arrive(turn: SimulatedTurn, now: number): Begun[] {
    this.#queue.push(turn);
    return this.#begin(now);
  }

  /** A turn is over. @returns what begins now */
  end({ session, promptTokens, replyTokens }: SimulatedTurn, now: number): Begun[] {
    this.#running.delete(session);
    this.#kept.delete(session);
    this.#kept.set(session, promptTokens + replyTokens);
    return this.#begin(now);
  }

  forget(session: string, now: number): void {
    this.#kept.delete(session);
    this.admission.release(session, now);
  }

  /** @returns the turns that are lost with it */
  die(): string[] {
    this.isDead = true;
    return [...this.#running.keys(), ...this.#queue.map(({ session }) => session)];
  }

  #cachedOf({ session, promptTokens }: SimulatedTurn): number {
    return Math.min(this.#kept.get(session) ?? 0, promptTokens);
  }

  /** Nobody overtakes who waits for room. */
  #begin(now: number): Begun[] {
    const begun: Begun[] = [];
    for (let next = this.#queue[0]; next !== undefined && this.#makeRoom(next); next = this.#queue[0]) {
      this.#queue.shift();
      const cachedTokens = this.#cachedOf(next);
      this.#kept.delete(next.session);
      this.#running.set(next.session, next.promptTokens + next.replyTokens);
      const from = Math.max(now, this.#prefillFreeAt);
      const firstTokenAt = from + (next.promptTokens - cachedTokens) / this.#size.prefillPerMs;
      this.#prefillFreeAt = firstTokenAt;
      const endsAt = firstTokenAt + next.replyTokens / this.#size.decodePerMs;
      begun.push({ turn: next, cachedTokens, firstTokenAt, endsAt });
    }
    return begun;
  }

  #makeRoom({ session, promptTokens, replyTokens }: SimulatedTurn): boolean {
    const running = [...this.#running.values()].reduce((sum, tokens) => sum + tokens, 0);
    const others = [...this.#kept].filter(([name]) => name !== session);
    let kept = others.reduce((sum, [, tokens]) => sum + tokens, 0);
    const room = this.#size.kvTokens - running - promptTokens - replyTokens;
    if (room < 0) return false;
    for (const [name, tokens] of others) {
      if (kept <= room) break;
      this.#kept.delete(name);
      kept -= tokens;
    }
    return true;
  }
}
