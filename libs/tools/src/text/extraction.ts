import { Aborted, Unavailable } from '#errors';
import { Thread } from '../thread/thread.ts';
import type { Extracted, Span } from './document.ts';
import type { RawDocument, WebPage } from './extract.ts';
import type { FittingSpan } from './fit.ts';

/** What the pool's threads are asked. */
export type ExtractionRequest =
  | { readonly kind: 'extract' | 'read'; readonly document: RawDocument }
  | { readonly kind: 'fit'; readonly page: Page; readonly goal: string; readonly limit: number };

/** A text with its passages. */
export interface Page {
  readonly text: string;
  readonly spans: readonly Span[];
}

/** `threads` default 2; `heapMb` default 768 each; a thread is replaced after `recycleAfter` documents (default 200). */
export interface ExtractionOptions {
  readonly threads?: number;
  readonly heapMb?: number;
  readonly recycleAfter?: number;
}

/** A hard limit and the caller's cancel. */
export interface ExtractionLimits {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

interface Slot {
  thread: Thread | null;
  jobs: number;
}

/** A request that a thread answers as soon as it can answer at all. */
const nothing: ExtractionRequest = { kind: 'fit', page: { text: '', spans: [] }, goal: '', limit: 1 };

const startMs = 60_000;

/**
 * A pool of threads for the CPU-bound reading of pages. A thread that runs past its limit or out of heap is ended and
 * replaced, so one hostile page costs its own call and nothing else.
 */
export class Extraction {
  readonly #free: Slot[];
  readonly #waiting: ((slot: Slot) => void)[] = [];
  readonly #heapMb: number;
  readonly #recycleAfter: number;
  readonly #slots: readonly Slot[];
  #closed = false;

  constructor(options: ExtractionOptions = {}) {
    this.#slots = Array.from({ length: options.threads ?? 2 }, () => ({ thread: null, jobs: 0 }));
    this.#free = [...this.#slots];
    this.#heapMb = options.heapMb ?? 768;
    this.#recycleAfter = options.recycleAfter ?? 200;
  }

  /** @throws InvalidInput (unreadable), DeadlineExceeded, Unavailable (thread died, e.g. out of heap), Aborted */
  async extract(document: RawDocument, limits: ExtractionLimits): Promise<Extracted> {
    return (await this.#run({ kind: 'extract', document }, limits)) as Extracted; // extract-thread answers so
  }

  /** A page of the web with what it says of itself; one that only scripts fill is no fault. @throws as {@link extract} */
  async read(document: RawDocument, limits: ExtractionLimits): Promise<WebPage> {
    return (await this.#run({ kind: 'read', document }, limits)) as WebPage; // extract-thread answers so
  }

  /** The spans of a page that fit a goal, in page order. @throws as {@link extract} */
  async fit(page: Page, goal: string, limits: ExtractionLimits & { readonly limit: number }): Promise<FittingSpan[]> {
    const request = { kind: 'fit', page, goal, limit: limits.limit } as const;
    return (await this.#run(request, limits)) as FittingSpan[]; // extract-thread answers so
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#slots.map((slot) => slot.thread?.terminate()));
  }

  async #run(request: ExtractionRequest, limits: ExtractionLimits): Promise<unknown> {
    const slot = await this.#acquire(limits.signal);
    try {
      if (this.#closed) throw new Unavailable('Reading of pages has been shut down.');
      if (!slot.thread || slot.thread.dead || slot.jobs >= this.#recycleAfter) await this.#renew(slot, limits.signal);
      slot.jobs++;
      return await slot.thread?.call(request, { what: 'Reading the page', ...limits });
    } catch (error) {
      // The thread may still be busy with what was given up: only its end frees the core.
      if (!(error instanceof Error && error.name === 'InvalidInput')) await this.#discard(slot);
      throw error;
    } finally {
      this.#release(slot);
    }
  }

  /** A page's limit is for reading it: on a busy machine a new thread takes seconds to load its code. */
  async #renew(slot: Slot, signal: AbortSignal | undefined): Promise<void> {
    await this.#discard(slot);
    slot.thread = Thread.spawn('extract-thread', import.meta.url, this.#heapMb);
    slot.jobs = 0;
    await slot.thread.call(nothing, { what: 'Starting a reader of pages', timeoutMs: startMs, signal });
  }

  async #discard(slot: Slot): Promise<void> {
    await slot.thread?.terminate();
    slot.thread = null;
  }

  #acquire(signal: AbortSignal | undefined): Promise<Slot> {
    if (signal?.aborted) return Promise.reject(new Aborted('Reading the page was stopped', { cause: signal.reason }));
    const free = this.#free.pop();
    if (free) return Promise.resolve(free);
    return new Promise((resolve, reject) => {
      const take = (slot: Slot) => {
        signal?.removeEventListener('abort', giveUp);
        resolve(slot);
      };
      const giveUp = () => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1);
        reject(new Aborted('Reading the page was stopped', { cause: signal?.reason }));
      };
      signal?.addEventListener('abort', giveUp, { once: true });
      this.#waiting.push(take);
    });
  }

  #release(slot: Slot): void {
    const next = this.#waiting.shift();
    if (next) next(slot);
    else this.#free.push(slot);
  }
}
