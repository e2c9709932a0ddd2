/** Pages that were computed, found again by what they hold: a tree of chained hashes in which token ids decide. */
import { createHash } from 'node:crypto';
import { Heap } from './heap.ts';

/** A name for a page by the name of the one before it, or of its root, and its own token ids. */
export type PageHash = (before: string, ids: Uint32Array) => string;

/** SHA-256, so that nobody can fill one bucket with pages of different content. Cost about 2 µs. */
export function chainedHash(before: string, ids: Uint32Array): string {
  return createHash('sha256').update(before).update(ids).digest('base64url');
}

/** One computed page. */
export interface IndexedPage {
  readonly page: number;
  readonly root: string;
  /** Null for the first of its text. */
  readonly before: IndexedPage | null;
  readonly ids: Uint32Array;
  readonly key: string;
  /** Sequences that hold it. */
  holders: number;
  /** Pages that go on from it. */
  followers: number;
  /** Sessions whose last page it is. */
  readonly sessions: Set<string>;
  usedAt: number;
}

/**
 * Every page's `before` is in the index as well. One is given up only when nobody holds it and nothing goes on from it, the
 * least recently used first: a text loses its end before its beginning.
 */
export class PageIndex {
  readonly #hash: PageHash;
  readonly #buckets = new Map<string, IndexedPage[]>();
  readonly #sessions = new Map<string, IndexedPage>();
  /** Those that may be given up, and some that may no longer. */
  readonly #leaves = new Heap<{ readonly at: IndexedPage; readonly usedAt: number }>((a, b) => a.usedAt - b.usedAt);
  #idle = 0;
  #clock = 0;

  constructor(hash: PageHash) {
    this.#hash = hash;
  }

  /** Pages that nobody holds: all of them can be had back. */
  get idle(): number {
    return this.#idle;
  }

  get sessions(): Iterable<string> {
    return this.#sessions.keys();
  }

  knows(session: string): boolean {
    return this.#sessions.has(session);
  }

  /** What follows `before` with these ids; equal hashes are told apart by root, page before and ids. Cost O(ids). */
  find(root: string, before: IndexedPage | null, ids: Uint32Array): IndexedPage | undefined {
    const bucket = this.#buckets.get(this.#hash(before?.key ?? root, ids));
    return bucket?.find((one) => one.before === before && one.root === root && isEqual(one.ids, ids));
  }

  /** Adds a page that {@link find} does not know, held once. */
  add(root: string, before: IndexedPage | null, { ids, page }: Pick<IndexedPage, 'ids' | 'page'>): IndexedPage {
    const key = this.#hash(before?.key ?? root, ids);
    const added = { page, root, before, ids, key, holders: 1, followers: 0, sessions: new Set<string>(), usedAt: 0 };
    if (before !== null) before.followers++;
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) this.#buckets.set(key, [added]);
    else bucket.push(added);
    return added;
  }

  hold(one: IndexedPage): void {
    if (one.holders++ === 0) this.#idle--;
  }

  /** @param pages of one sequence, in order @param session finds their last one, for {@link release}; null: none does */
  letGo(pages: readonly IndexedPage[], session: string | null): void {
    const last = pages.at(-1);
    if (session !== null) this.#end(session, last ?? null);
    this.#clock++;
    for (const one of pages) {
      one.usedAt = this.#clock;
      if (--one.holders === 0) this.#idle++;
    }
    if (last !== undefined) this.#offer(last);
  }

  /** Gives up what only this session would find again. @returns the pages that became free */
  release(session: string): number[] {
    let one = this.#sessions.get(session) ?? null;
    this.#end(session, null);
    const freed: number[] = [];
    while (one !== null && isLeaf(one) && one.sessions.size === 0) {
      freed.push(one.page);
      this.#remove(one);
      one = one.before;
    }
    if (one !== null) this.#offer(one);
    return freed;
  }

  /** Gives up the least recently used leaf. @returns its page; undefined when all pages are held */
  evict(): number | undefined {
    for (;;) {
      const entry = this.#leaves.pop();
      if (entry === undefined) return undefined;
      const { at, usedAt } = entry;
      if (!this.#has(at) || !isLeaf(at) || at.usedAt !== usedAt) continue;
      this.#remove(at);
      for (const session of at.sessions) this.#end(session, at.before);
      if (at.before !== null) this.#offer(at.before);
      return at.page;
    }
  }

  #end(session: string, last: IndexedPage | null): void {
    this.#sessions.get(session)?.sessions.delete(session);
    if (last === null) {
      this.#sessions.delete(session);
    } else {
      last.sessions.add(session);
      this.#sessions.set(session, last);
    }
  }

  #offer(one: IndexedPage): void {
    if (!isLeaf(one)) return;
    this.#leaves.push({ at: one, usedAt: one.usedAt });
    // Entries of pages that were used again stay behind; the heap is made anew before they outnumber the others.
    if (this.#leaves.size > 2 * this.#idle + 64) {
      this.#leaves.keep(({ at, usedAt }) => this.#has(at) && isLeaf(at) && at.usedAt === usedAt);
    }
  }

  #has(one: IndexedPage): boolean {
    return this.#buckets.get(one.key)?.includes(one) === true;
  }

  #remove(one: IndexedPage): void {
    const rest = this.#buckets.get(one.key)?.filter((other) => other !== one) ?? [];
    if (rest.length === 0) this.#buckets.delete(one.key);
    else this.#buckets.set(one.key, rest);
    if (one.before !== null) one.before.followers--;
    this.#idle--;
  }
}

function isLeaf({ holders, followers }: IndexedPage): boolean {
  return holders === 0 && followers === 0;
}

function isEqual(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}
