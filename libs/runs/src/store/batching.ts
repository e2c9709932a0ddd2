import { setImmediate } from 'node:timers/promises';
import { Unavailable } from '#errors';

/** How items become one statement. */
export interface BatchWriting<I, O> {
  /** Items of the same key go into different statements, in the order in which they came. */
  readonly keyOf: (item: I) => string;
  /** Outcomes in the order of the items. A throw fails all of them. */
  readonly write: (items: readonly I[]) => Promise<readonly O[]>;
}

interface Entry<I, O> {
  readonly item: I;
  readonly key: string;
  readonly settle: (outcome: O) => void;
  readonly fail: (error: unknown) => void;
}

type Tell = () => void;

/** Whoever is told has work to do at once; after so many, the event loop has its turn, and the next statement goes out. */
const toldAtOnce = 50;

async function tell(tells: readonly Tell[]): Promise<void> {
  for (const [place, one] of tells.entries()) {
    if (place % toldAtOnce === 0 && place > 0) await setImmediate();
    one();
  }
}

/** Largest number of items in one statement. */
const batchSize = 500;

/** So many must wait before a second statement is sent beside the one under way. */
const secondFrom = 150;

/** Items that arrive while a statement is under way travel together in the next one. */
export class Batching<I, O> {
  readonly #writing: BatchWriting<I, O>;
  #waiting: Entry<I, O>[] = [];
  #statements = 0;
  /** Of items whose statement is under way. */
  readonly #flying = new Set<string>();

  constructor(writing: BatchWriting<I, O>) {
    this.#writing = writing;
  }

  /** Cost: one statement shared with whoever comes at the same time. */
  async add(item: I): Promise<O> {
    return await new Promise((settle, fail) => {
      this.#waiting.push({ item, key: this.#writing.keyOf(item), settle, fail });
      this.#send();
    });
  }

  /** One statement for whoever waits; a second one beside it only when there is enough for it. */
  #send(): void {
    if (this.#statements === 0 || (this.#statements === 1 && this.#waiting.length >= secondFrom)) void this.#sendOne();
  }

  async #sendOne(): Promise<void> {
    const batch = this.#takeBatch();
    if (batch.length === 0) return;
    this.#statements += 1;
    for (const { key } of batch) this.#flying.add(key);
    const tells = await this.#write(batch);
    for (const { key } of batch) this.#flying.delete(key);
    this.#statements -= 1;
    void tell(tells);
    this.#send();
  }

  /** @returns what tells those who wait, one by one */
  async #write(batch: readonly Entry<I, O>[]): Promise<Tell[]> {
    try {
      const outcomes = await this.#writing.write(batch.map(({ item }) => item));
      // One outcome for each item, by contract of `write`.
      return batch.map(
        ({ settle }, place) =>
          () =>
            settle(outcomes[place] as O),
      );
    } catch (error) {
      // One item that the database refuses must not fail its neighbours: each then goes alone. A database that is away
      // refuses nobody in particular, and asking it once for each would only take long.
      if (batch.length > 1 && !(error instanceof Unavailable)) return await this.#writeEach(batch);
      return batch.map(
        ({ fail }) =>
          () =>
            fail(error),
      );
    }
  }

  async #writeEach(batch: readonly Entry<I, O>[]): Promise<Tell[]> {
    const tells: Tell[] = [];
    for (const entry of batch) tells.push(...(await this.#write([entry])));
    return tells;
  }

  /** The oldest items, one of each key. */
  #takeBatch(): Entry<I, O>[] {
    const batch = new Map<string, Entry<I, O>>();
    const later: Entry<I, O>[] = [];
    let looked = 0;
    for (const entry of this.#waiting) {
      if (batch.size === batchSize) break;
      looked += 1;
      if (batch.has(entry.key) || this.#flying.has(entry.key)) later.push(entry);
      else batch.set(entry.key, entry);
    }
    this.#waiting = [...later, ...this.#waiting.slice(looked)];
    return [...batch.values()];
  }
}
