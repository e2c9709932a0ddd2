interface Entry<T> {
  readonly atMs: number;
  readonly order: number;
  readonly event: T;
}

/** What is still to happen, the earliest first; of what happens at one time that which was put first. A binary heap. */
export class EventQueue<T> {
  private readonly heap: Entry<T>[] = [];
  private put = 0;

  add(atMs: number, event: T): void {
    if (!Number.isFinite(atMs)) throw new RangeError(`nothing happens at ${atMs}`);
    const { heap } = this;
    const entry = { atMs, order: this.put++, event };
    let at = heap.length;
    for (let above = (at - 1) >> 1; at > 0 && isBefore(entry, heap[above]); above = (at - 1) >> 1) {
      heap[at] = heap[above] ?? entry;
      at = above;
    }
    heap[at] = entry;
  }

  /** Takes the next one out. */
  next(): { readonly atMs: number; readonly event: T } | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const right = heap[left + 1];
      const child = right !== undefined && isBefore(right, heap[left]) ? left + 1 : left;
      const below = heap[child];
      if (below === undefined || !isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore<T>(one: Entry<T>, other: Entry<T> | undefined): boolean {
  if (other === undefined) return true;
  return one.atMs === other.atMs ? one.order < other.order : one.atMs < other.atMs;
}
