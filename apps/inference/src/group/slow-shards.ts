/** How long others are asked before a shard that was late: at first, and at most after doubling each time. */
const restMs = { first: 1_000, longest: 30_000 };

/**
 * Shards that were late of late. A shard that only seems to live would cost every layer the wait until it is found late;
 * so it rests, and is tried again once in a while.
 */
export class SlowShards {
  readonly #rests = new Map<number, { readonly untilMs: number; readonly lengthMs: number }>();

  /** @param nowMs of any clock that does not run backwards */
  late(shard: number, nowMs: number): void {
    const before = this.#rests.get(shard);
    // Layers at the same time find the same lateness.
    if (before !== undefined && nowMs < before.untilMs) return;
    const lengthMs = before === undefined ? restMs.first : Math.min(2 * before.lengthMs, restMs.longest);
    this.#rests.set(shard, { untilMs: nowMs + lengthMs, lengthMs });
  }

  inTime(shard: number): void {
    this.#rests.delete(shard);
  }

  rests(shard: number, nowMs: number): boolean {
    const rest = this.#rests.get(shard);
    return rest !== undefined && nowMs < rest.untilMs;
  }
}
