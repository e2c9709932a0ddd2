/** A binary heap: the least of its values is at hand. Of equals, any may be. */
export class Heap<T> {
  readonly #compare: (a: T, b: T) => number;
  #values: T[] = [];

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#values.length;
  }

  /** Cost O(log size). */
  push(value: T): void {
    const values = this.#values;
    values.push(value);
    for (let at = values.length - 1; at > 0; ) {
      const above = (at - 1) >> 1;
      if (!this.#isLess(at, above)) return;
      this.#swap(at, above);
      at = above;
    }
  }

  /** Takes out the least. Cost O(log size). */
  pop(): T | undefined {
    const [least] = this.#values;
    const last = this.#values.pop();
    if (this.#values.length > 0 && last !== undefined) {
      this.#values[0] = last;
      this.#sink();
    }
    return least;
  }

  /** Drops all others. Cost O(size log size). */
  keep(isKept: (value: T) => boolean): void {
    // What is sorted is a heap.
    this.#values = this.#values.filter(isKept).sort(this.#compare);
  }

  #sink(): void {
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < this.#values.length && this.#isLess(child, least)) least = child;
      }
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #isLess(a: number, b: number): boolean {
    return this.#compare(this.#values[a] as T, this.#values[b] as T) < 0; // both below the size
  }

  #swap(a: number, b: number): void {
    const [x, y] = [this.#values[a] as T, this.#values[b] as T]; // both below the size
    this.#values[a] = y;
    this.#values[b] = x;
  }
}
