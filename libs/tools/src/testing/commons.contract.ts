import type { Evidence, Made, Shared, Wanted } from '../evidence.ts';
import type { Pace, PaceRule, Turn } from '../pace.ts';

/** A pace for tests that grants every turn at once, refuses those of hosts that rest, and tells what it was asked. */
export class OpenPace implements Pace {
  readonly turns: { readonly key: string; readonly rule: PaceRule }[] = [];
  /** Milliseconds of rest, by key. */
  readonly rests = new Map<string, number>();
  /** Turns that were granted and are not done. */
  open = 0;

  async turn(key: string, rule: PaceRule): Promise<Turn> {
    this.turns.push({ key, rule });
    const retryAfterMs = this.rests.get(key);
    if (retryAfterMs !== undefined) return { granted: false, why: 'resting', retryAfterMs };
    this.open++;
    const done = async () => {
      this.open--;
    };
    return { granted: true, done };
  }

  async rest(key: string, ms: number): Promise<void> {
    this.rests.set(key, ms);
  }
}

/** Evidence for tests: in memory, and by the sizes that JSON leaves of its values. */
export class MemoryEvidence implements Evidence {
  readonly entries = new Map<string, { readonly json: string; readonly keepMs: number }>();
  readonly #making = new Map<string, Promise<Made<unknown>>>();

  async share<T>(wanted: Wanted, make: (signal: AbortSignal) => Promise<Made<T>>): Promise<Shared<T>> {
    const key = `${wanted.tenantId ?? ''} ${wanted.key}`;
    const kept = this.entries.get(key);
    const madeAt = '2026-01-02T00:00:00.000Z';
    // Written by a maker of the same key, which has the same type.
    if (kept) return { value: JSON.parse(kept.json) as T, madeAt, shared: true };
    const under = this.#making.get(key) as Promise<Made<T>> | undefined;
    if (under) return { value: (await under).value, madeAt, shared: true };
    const making = make(wanted.signal);
    this.#making.set(key, making);
    try {
      const { value, keepMs } = await making;
      if (keepMs > 0) this.entries.set(key, { json: JSON.stringify(value), keepMs });
      return { value, madeAt, shared: false };
    } finally {
      this.#making.delete(key);
    }
  }
}
