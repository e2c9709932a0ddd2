/** Who has which pages: those of texts under way, those kept to be found again, and those that are free. No contents. */
import { PAGE_TOKENS } from './kernels/attention.ts';
import { chainedHash, type IndexedPage, type PageHash, PageIndex } from './page-index.ts';

/** The pages of one text under way. */
export interface HeldPages {
  /** Of its whole pages that were computed, each may be shared with other texts. */
  readonly indexed: IndexedPage[];
  /** Behind them, its own alone. */
  readonly own: number[];
  readonly root: string;
  /** Of its tokens, how many need not be computed: they were found. */
  readonly cachedTokens: number;
}

/** All pages of a text, in order. */
export function pagesOf({ indexed, own }: HeldPages): number[] {
  return [...indexed.map(({ page }) => page), ...own];
}

/**
 * Gives out a fixed number of pages. Whole pages that were computed are found by the next text that begins with the same
 * tokens under the same root, and are shared as long as several need them.
 */
export class PageCache {
  readonly #free: number[];
  readonly #index: PageIndex;
  readonly #pages: number;

  /** @param tokens how many can be held; what does not fill a page is of no use */
  constructor(tokens: number, hash: PageHash = chainedHash) {
    this.#pages = Math.floor(tokens / PAGE_TOKENS);
    this.#free = Array.from({ length: this.#pages }, (_, i) => this.#pages - 1 - i);
    this.#index = new PageIndex(hash);
  }

  get totalTokens(): number {
    return this.#pages * PAGE_TOKENS;
  }

  /** In pages that are not free, whole ones. */
  get usedTokens(): number {
    return (this.#pages - this.#free.length) * PAGE_TOKENS;
  }

  /** Sessions of which something is kept. */
  get sessions(): Iterable<string> {
    return this.#index.sessions;
  }

  knows(session: string): boolean {
    return this.#index.knows(session);
  }

  /**
   * Takes pages for a text. The last of its tokens is never found: the reply comes from what the model says behind it.
   * @param root texts of different roots share nothing
   * @param spare pages that must be left over for others
   * @returns null, and nothing changes, when there are not enough
   */
  open(root: string, tokens: readonly number[], spare: number): HeldPages | null {
    const indexed = this.#found(root, tokens);
    const wanted = Math.ceil(tokens.length / PAGE_TOKENS) - indexed.length;
    const idle = this.#index.idle - indexed.filter(({ holders }) => holders === 0).length;
    if (wanted + spare > this.#free.length + idle) return null;
    for (const one of indexed) this.#index.hold(one);
    const held: HeldPages = { indexed, own: [], root, cachedTokens: indexed.length * PAGE_TOKENS };
    for (let page = 0; page < wanted; page++) this.#take(held);
    return held;
  }

  /** Makes room for so many tokens of a text. @returns false when every page is held; those taken so far stay */
  grow(held: HeldPages, tokens: number): boolean {
    while ((held.indexed.length + held.own.length) * PAGE_TOKENS < tokens) if (!this.#take(held)) return false;
    return true;
  }

  /** Whole pages that were computed can be found from now on. One that another text computed too is kept once. */
  computed(held: HeldPages, tokens: readonly number[], count: number): void {
    const { indexed, own, root } = held;
    while ((indexed.length + 1) * PAGE_TOKENS <= count) {
      const page = own.shift();
      if (page === undefined) throw new Error(`${count} tokens were computed and ${indexed.length} pages are held`);
      const before = indexed.at(-1) ?? null;
      const ids = idsOf(tokens, indexed.length);
      const same = this.#index.find(root, before, ids);
      if (same !== undefined) {
        this.#index.hold(same);
        this.#free.push(page);
      }
      indexed.push(same ?? this.#index.add(root, before, { ids, page }));
    }
  }

  /** @param session its next turn finds what is kept, {@link release} gives it up; null: it belongs to none */
  close({ indexed, own }: HeldPages, session: string | null): void {
    this.#free.push(...own);
    this.#index.letGo(indexed, session);
  }

  /** Gives up what only this session would find again. @returns tokens */
  release(session: string): number {
    const freed = this.#index.release(session);
    this.#free.push(...freed);
    return freed.length * PAGE_TOKENS;
  }

  #found(root: string, tokens: readonly number[]): IndexedPage[] {
    const found: IndexedPage[] = [];
    while ((found.length + 1) * PAGE_TOKENS < tokens.length) {
      const next = this.#index.find(root, found.at(-1) ?? null, idsOf(tokens, found.length));
      if (next === undefined) break;
      found.push(next);
    }
    return found;
  }

  #take(held: HeldPages): boolean {
    const page = this.#free.pop() ?? this.#index.evict();
    if (page !== undefined) held.own.push(page);
    return page !== undefined;
  }
}

function idsOf(tokens: readonly number[], page: number): Uint32Array {
  return Uint32Array.from(tokens.slice(page * PAGE_TOKENS, (page + 1) * PAGE_TOKENS));
}
