/** Notices a model that writes the same thing over and over. */

/** A stretch of text that ends in copies of one unit. */
export interface Repetition {
  readonly unit: string;
  /** Copies, counted up to where the text was looked at. At least {@link LEAST_COPIES}. */
  readonly times: number;
  /** Offset behind the first copy. */
  readonly end: number;
}

/** Sizes in UTF-16 units: the last 2,000 are looked at every 500, the last 10,000 every 2,500. */
const WINDOWS = [2_000, 10_000] as const;
const LOOKS_PER_WINDOW = 4;
const LEAST_COPIES = 5;
const LONGEST = Math.max(...WINDOWS);
const STEP = Math.min(...WINDOWS) / LOOKS_PER_WINDOW;
/** What recurs in a circle recurs at its very end. */
const PROBE = 32;

/**
 * The rule: a text repeats when all of its last 2,000 or 10,000 characters is one unit written at least 5 times, verbatim.
 * So a unit of up to 400 characters is noticed within 2,500 characters, one of up to 2,000 within 12,500. Looks fall on
 * fixed offsets: the finding does not depend on the pieces. Cost O(piece), mostly none; O(window) for a text that may repeat.
 */
export class RepetitionWatch {
  #looked = '';
  #recent = '';
  /** Small pieces are gathered once for both. */
  #fresh = '';
  #found: Repetition | null = null;

  /** Takes the next piece; gives how many units of it were read, fewer than it has once the text repeats. */
  push(piece: string): number {
    let read = 0;
    while (read < piece.length && this.#found === null) {
      const part = piece.slice(read, read + STEP - this.#fresh.length);
      read += part.length;
      this.#fresh += part;
      if (this.#fresh.length === STEP) this.#look();
    }
    return read;
  }

  /** All that was read. */
  get text(): string {
    return this.#looked + this.#fresh;
  }

  get found(): Repetition | null {
    return this.#found;
  }

  #look(): void {
    this.#looked += this.#fresh;
    this.#recent = (this.#recent.length < 2 * LONGEST ? this.#recent : this.#recent.slice(-LONGEST)) + this.#fresh;
    this.#fresh = '';
    this.#found = circleAt(this.#looked.length, this.#recent);
  }
}

function circleAt(length: number, recent: string): Repetition | null {
  for (const size of WINDOWS) {
    if (length < size || length % (size / LOOKS_PER_WINDOW) > 0) continue;
    const period = periodOf(recent.slice(-size));
    if (period === null) continue;
    let from = recent.length - size;
    while (from > 0 && recent[from - 1] === recent[from - 1 + period]) from--;
    const start = length - recent.length + from;
    const times = Math.floor((length - start) / period);
    return { unit: recent.slice(from, from + period), times, end: start + period };
  }
  return null;
}

/** The shortest period of a text that holds {@link LEAST_COPIES} of it, or null. */
function periodOf(text: string): number | null {
  const longest = Math.floor(text.length / LEAST_COPIES);
  const probe = text.slice(-PROBE);
  let at = text.length - PROBE;
  for (;;) {
    at = text.lastIndexOf(probe, at - 1);
    const period = text.length - PROBE - at;
    if (at < 0 || period > longest) return null;
    if (text.startsWith(text.slice(period))) return period;
  }
}
