/** Answers of each size that are remembered, and how many must be known before anything is called slow. */
const remembered = 64;
const fewest = 32;
/** A shard is slow that takes so many times longer than the slowest of its like, and at least this long. */
const factor = 3;
const leastMs = 50;

/** How long shards take to answer, by the size of what they are asked. */
export class AnswerTimes {
  readonly #bySize = new Map<number, number[]>();

  note(pairs: number, ms: number): void {
    const size = sizeOf(pairs);
    const times = this.#bySize.get(size) ?? [];
    times.push(ms);
    if (times.length > remembered) times.shift();
    this.#bySize.set(size, times);
  }

  /** After how long an answer is late; null while too little is known. */
  lateMs(pairs: number): number | null {
    const times = this.#bySize.get(sizeOf(pairs)) ?? [];
    return times.length < fewest ? null : Math.max(leastMs, factor * Math.max(...times));
  }
}

/** Powers of two have one size each. */
function sizeOf(pairs: number): number {
  return Math.ceil(Math.log2(Math.max(1, pairs)));
}
