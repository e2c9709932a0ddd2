/** What became of a batch: null where it arrived, else why not. */
export type Delivery = { readonly reason: 'unreachable' | 'refused'; readonly message: string } | null;

export interface OutboxOptions<S> {
  /** Most that waits, the batch on its way included; what comes beyond it is lost. */
  readonly most: { readonly items: number; readonly bytes: number };
  /** Most that goes together. */
  readonly batch: { readonly items: number; readonly bytes: number };
  /** From the first that waits to its batch, ms. */
  readonly everyMs: number;
  /** About what one takes in memory. */
  readonly bytesOf: (item: S) => number;
  /** Comes to its end by itself. */
  readonly deliver: (batch: readonly S[]) => Promise<Delivery>;
  /** Told what arrived, and what was lost and why. */
  readonly tell: (count: number, delivery: Delivery | 'full') => void;
}

/** Sends on what it is given, one batch after the other, and holds nothing up: what finds no room is lost and counted. */
export class Outbox<S> {
  readonly #options: OutboxOptions<S>;
  #waiting: { readonly item: S; readonly bytes: number }[] = [];
  #items = 0;
  #bytes = 0;
  #timer: NodeJS.Timeout | null = null;
  #sending: Promise<void> | null = null;

  constructor(options: OutboxOptions<S>) {
    this.#options = options;
  }

  /** What is here, on its way included. */
  get load(): { readonly items: number; readonly bytes: number } {
    return { items: this.#items, bytes: this.#bytes };
  }

  add(item: S): void {
    const { most, batch, bytesOf, tell, everyMs } = this.#options;
    const bytes = bytesOf(item);
    if (this.#items >= most.items || this.#bytes + bytes > most.bytes) {
      tell(1, 'full');
      return;
    }
    this.#items += 1;
    this.#bytes += bytes;
    this.#waiting.push({ item, bytes });
    if (this.#waiting.length >= batch.items) this.#send();
    else this.#timer ??= setTimeout(() => this.#send(), everyMs).unref();
  }

  /** Sends what is here now. Ends when it has arrived or is lost. */
  async flush(): Promise<void> {
    this.#send();
    await this.#sending;
  }

  #send(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = null;
    });
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#next();
      const delivery = await this.#options.deliver(batch.map(({ item }) => item));
      this.#items -= batch.length;
      this.#bytes -= batch.reduce((sum, { bytes }) => sum + bytes, 0);
      this.#options.tell(batch.length, delivery);
    }
  }

  /** At least one. */
  #next(): readonly { readonly item: S; readonly bytes: number }[] {
    const { items, bytes: mostBytes } = this.#options.batch;
    let count = 0;
    for (let bytes = 0; count < Math.min(items, this.#waiting.length); count++) {
      bytes += this.#waiting[count]?.bytes ?? 0;
      if (count > 0 && bytes > mostBytes) break;
    }
    return this.#waiting.splice(0, count);
  }
}
