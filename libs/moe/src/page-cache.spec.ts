/** The cache beside a naive one that keeps whole texts in lists and searches them from end to end. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type HeldPages, PageCache, pagesOf } from './page-cache.ts';
import { chainedHash, type PageHash } from './page-index.ts';

const SIZE = 16;
const PAGES = 12;

/** A whole page as the naive cache has it: the text from its beginning to the page's end. */
interface Kept {
  readonly root: string;
  readonly text: string;
  holders: number;
  usedAt: number;
  readonly sessions: Set<string>;
}

interface Text {
  readonly root: string;
  readonly tokens: number[];
  readonly held: HeldPages;
  computed: number;
}

const textOf = (tokens: readonly number[], pages: number): string => tokens.slice(0, pages * SIZE).join();

class NaiveCache {
  kept: Kept[] = [];
  clock = 0;

  find(root: string, text: string): Kept | undefined {
    return this.kept.find((one) => one.root === root && one.text === text);
  }

  cachedPages(root: string, tokens: readonly number[]): number {
    let pages = 0;
    while ((pages + 1) * SIZE < tokens.length && this.find(root, textOf(tokens, pages + 1))) pages++;
    return pages;
  }

  chain(root: string, tokens: readonly number[], pages: number): Kept[] {
    return Array.from({ length: pages }, (_, i) => this.find(root, textOf(tokens, i + 1))).filter(
      (one) => one !== undefined,
    );
  }

  leaves(): Kept[] {
    return this.kept.filter((one) => one.holders === 0 && !this.kept.some((other) => this.follows(other, one)));
  }

  before(one: Kept): Kept | undefined {
    return this.kept.find((other) => this.follows(one, other));
  }

  follows(after: Kept, before: Kept): boolean {
    const [long, short] = [after.text.split(',').length, before.text.split(',').length];
    return after.root === before.root && long === short + SIZE && after.text.startsWith(`${before.text},`);
  }

  evict(): void {
    const [oldest] = this.leaves().sort((a, b) => a.usedAt - b.usedAt);
    if (oldest === undefined) throw new Error('nothing to evict');
    for (const session of oldest.sessions) this.before(oldest)?.sessions.add(session);
    this.kept = this.kept.filter((one) => one !== oldest);
  }

  end(session: string): void {
    for (const one of this.kept) one.sessions.delete(session);
  }
}

/** Both caches, and what each physical page would hold. */
class Pair {
  readonly real: PageCache;
  readonly naive = new NaiveCache();
  readonly contents = new Map<number, string>();
  readonly texts: Text[] = [];

  constructor(hash: PageHash) {
    this.real = new PageCache(PAGES * SIZE, hash);
  }

  get free(): number {
    return PAGES - this.naive.kept.length - this.texts.reduce((sum, { held }) => sum + held.own.length, 0);
  }

  open(root: string, tokens: number[], spare: number): void {
    const cached = this.naive.cachedPages(root, tokens);
    const chain = this.naive.chain(root, tokens, cached);
    const wanted = Math.ceil(tokens.length / SIZE) - cached;
    const idle = this.naive.kept.filter((one) => one.holders === 0 && !chain.includes(one)).length;
    const free = this.free;
    const held = this.real.open(root, tokens, spare);
    if (wanted + spare > free + idle) {
      expect(held).toBeNull();
      return;
    }
    expect(held?.cachedTokens).toBe(cached * SIZE);
    if (held === null) return;
    for (const one of chain) one.holders++;
    for (let page = free; page < wanted; page++) this.naive.evict();
    // A page that was found holds what was computed for these tokens of this root, and nothing else.
    for (const [i, page] of pagesOf(held).slice(0, cached).entries()) {
      expect(this.contents.get(page)).toBe(`${root}:${textOf(tokens, i + 1)}`);
    }
    this.texts.push({ root, tokens, held, computed: held.cachedTokens });
  }

  /** The model computes so many tokens more, and one is chosen behind the last. */
  compute(text: Text, count: number): void {
    text.computed = Math.min(text.computed + count, text.tokens.length);
    for (const [i, page] of pagesOf(text.held).entries()) {
      if ((i + 1) * SIZE > text.computed || i < text.held.indexed.length) continue;
      this.contents.set(page, `${text.root}:${textOf(text.tokens, i + 1)}`);
    }
    const before = text.held.indexed.length;
    this.real.computed(text.held, text.tokens, text.computed);
    for (let pages = before + 1; pages * SIZE <= text.computed; pages++) {
      const same = this.naive.find(text.root, textOf(text.tokens, pages));
      if (same !== undefined) same.holders++;
      else {
        const kept = { root: text.root, text: textOf(text.tokens, pages), holders: 1, usedAt: 0 };
        this.naive.kept.push({ ...kept, sessions: new Set() });
      }
    }
  }

  grow(text: Text, token: number): void {
    if (text.computed < text.tokens.length) return;
    const wanted = Math.ceil((text.tokens.length + 1) / SIZE) - text.held.indexed.length - text.held.own.length;
    const free = this.free;
    const possible = wanted <= free + this.naive.kept.filter(({ holders }) => holders === 0).length;
    if (possible) for (let page = free; page < wanted; page++) this.naive.evict();
    expect(this.real.grow(text.held, text.tokens.length + 1)).toBe(possible);
    if (possible) text.tokens.push(token);
  }

  close(text: Text, session: string | null): void {
    const chain = this.naive.chain(text.root, text.tokens, text.held.indexed.length);
    if (session !== null) {
      this.naive.end(session);
      chain.at(-1)?.sessions.add(session);
    }
    this.naive.clock++;
    for (const one of chain) {
      one.holders--;
      one.usedAt = this.naive.clock;
    }
    this.texts.splice(this.texts.indexOf(text), 1);
    this.real.close(text.held, session);
  }

  release(session: string): void {
    let one = this.naive.kept.find(({ sessions }) => sessions.has(session));
    this.naive.end(session);
    let freed = 0;
    while (one !== undefined && this.naive.leaves().includes(one) && one.sessions.size === 0) {
      const gone: Kept = one;
      one = this.naive.before(gone);
      this.naive.kept = this.naive.kept.filter((other) => other !== gone);
      freed++;
    }
    expect(this.real.release(session)).toBe(freed * SIZE);
  }

  check(): void {
    expect(this.real.usedTokens).toBe((PAGES - this.free) * SIZE);
    const sessions = this.naive.kept.flatMap((one) => [...one.sessions]);
    expect([...this.real.sessions].sort()).toEqual(sessions.sort());
    // No page is given out twice.
    const own = this.texts.flatMap(({ held }) => held.own);
    const shared = new Set(this.texts.flatMap(({ held }) => held.indexed.map(({ page }) => page)));
    expect(new Set([...own, ...shared]).size).toBe(own.length + shared.size);
    for (const { held, root, tokens } of this.texts) {
      for (const [i, { page }] of held.indexed.entries()) {
        expect(this.contents.get(page)).toBe(`${root}:${textOf(tokens, i + 1)}`);
      }
    }
  }
}

/** Texts of few kinds of pages, so that many begin alike. */
const tokens = fc
  .tuple(fc.array(fc.integer({ min: 0, max: 1 }), { maxLength: 4 }), fc.integer({ min: 1, max: SIZE }))
  .map(([kinds, rest]) => [...kinds.flatMap((kind) => Array<number>(SIZE).fill(kind)), ...Array<number>(rest).fill(2)]);
const at = fc.nat({ max: 100 });
const session = fc.constantFrom('a', 'b', 'c', null);

const command = fc.oneof(
  fc.record({ kind: fc.constant('open' as const), root: fc.constantFrom('x', 'y'), tokens, spare: fc.nat({ max: 2 }) }),
  fc.record({ kind: fc.constant('compute' as const), at, count: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ kind: fc.constant('grow' as const), at, token: fc.nat({ max: 1 }) }),
  fc.record({ kind: fc.constant('close' as const), at, session }),
  fc.record({ kind: fc.constant('release' as const), session: fc.constantFrom('a', 'b', 'c') }),
);

function perform(pair: Pair, step: typeof command extends fc.Arbitrary<infer C> ? C : never): void {
  const text = 'at' in step ? pair.texts[step.at % Math.max(pair.texts.length, 1)] : undefined;
  if (step.kind === 'open') pair.open(step.root, [...step.tokens], step.spare);
  else if (step.kind === 'release') pair.release(step.session);
  else if (text === undefined) return;
  else if (step.kind === 'compute') pair.compute(text, step.count);
  else if (step.kind === 'grow') pair.grow(text, step.token);
  else pair.close(text, step.session);
}

describe('the cache of pages', () => {
  it.each<[string, PageHash]>([
    ['chained hashes', chainedHash],
    ['hashes that collide often', (_, ids) => String((ids[0] ?? 0) % 2)],
    ['one hash for all pages', () => 'same'],
  ])('does what a naive one does, with %s', (_case, hash) => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 80 }), (commands) => {
        const pair = new Pair(hash);
        for (const step of commands) {
          perform(pair, step);
          pair.check();
        }
      }),
      { numRuns: 150 },
    );
  });

  it('gives up the end of a text before its beginning, and the text used longest ago before others', () => {
    const cache = new PageCache(6 * SIZE);
    const whole = (kind: number, pages: number) => Array<number>(pages * SIZE).fill(kind);
    for (const kind of [1, 2]) {
      const held = cache.open('x', whole(kind, 2), 0);
      if (held === null) throw new Error('no room');
      cache.computed(held, whole(kind, 2), 2 * SIZE);
      cache.close(held, `s${kind}`);
    }
    const third = cache.open('x', whole(3, 3), 0);
    expect(third?.cachedTokens).toBe(0);
    expect([...cache.sessions]).toEqual(['s1', 's2']);
    expect(cache.open('x', [...whole(2, 2), 9], 0)?.cachedTokens).toBe(2 * SIZE);
    expect([...cache.sessions]).toEqual(['s2']);
  });
});
