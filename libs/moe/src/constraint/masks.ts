/** Which tokens may come next, by the state of an automaton. */
import { type Expression, type Expressions, TooManyStates } from './expressions.ts';
import type { TokenTrie } from './token-trie.ts';

/** A bit for each token, in words of 32. */
export type Mask = Uint32Array;

export function allows(mask: Mask, id: number): boolean {
  return (((mask[id >>> 5] ?? 0) >>> (id & 31)) & 1) === 1;
}

/** States that may be made for one mask: beyond, the constraint is one that no text should be held to. */
const MOST_MADE = 40_000;
/** Tokens beyond the shortest end, with which a reply need not look to its end. */
const AMPLE = 256;
/** Of all masks that are kept. */
const MOST_BYTES = 48 * 2 ** 20;

/** Computes masks and keeps them: a state that was met before costs a look. The least recently used give way. */
export class Masks {
  readonly #trie: TokenTrie;
  readonly #endIds: ReadonlySet<number>;
  readonly #most: number;
  readonly #kept = new Map<Expression, Mask>();

  constructor(trie: TokenTrie, endIds: ReadonlySet<number>) {
    this.#trie = trie;
    this.#endIds = endIds;
    this.#most = Math.max(16, Math.floor(MOST_BYTES / Math.max(4 * Math.ceil(trie.vocabulary / 32), 1)));
  }

  /**
   * The tokens all of whose bytes may follow, and where the text may end, those that end it.
   * @throws TooManyStates
   * Cost, where it is not known yet, O(bytes of the vocabulary)
   */
  of(on: Expressions, state: Expression): Mask {
    const near = on.near(state, this.#trie.longest);
    const known = this.#kept.get(near);
    if (known !== undefined) this.#kept.delete(near);
    const mask = known ?? this.#walk(on, near);
    this.#kept.set(near, mask);
    if (this.#kept.size > this.#most) {
      const [oldest] = this.#kept.keys();
      if (oldest !== undefined) this.#kept.delete(oldest);
    }
    return mask;
  }

  /**
   * As {@link of}, but only tokens behind which the text can still end in time, as far as single bytes are tokens. Null
   * where none can. Cost O(bytes of the vocabulary) where time is short.
   * @param left tokens, the next one included
   */
  inTime(on: Expressions, state: Expression, left: number): Mask | null {
    if (state.least + AMPLE <= left) return this.of(on, state);
    const mask = this.#walk(on, state, left - 1);
    return mask.every((word) => word === 0) ? null : mask;
  }

  /** @param most bytes of the shortest text behind a token */
  #walk(on: Expressions, from: Expression, most = Infinity): Mask {
    const { nodes, bytes, depths, behind, tokens, same, longest, vocabulary } = this.#trie;
    const mask = new Uint32Array(Math.ceil(vocabulary / 32));
    const path = new Array<Expression>(longest + 1).fill(from);
    const madeBefore = on.made;
    for (let node = 0; node < nodes; ) {
      const depth = depths[node] ?? 0;
      const state = path[depth] ?? on.never;
      const byte = bytes[node] ?? 0;
      const next = state.row?.[byte] ?? on.after(state, byte);
      if (next === on.never) {
        node = behind[node] ?? nodes;
        continue;
      }
      path[depth + 1] = next;
      const ends = next.least <= most ? (tokens[node] ?? -1) : -1;
      for (let id = ends; id >= 0; id = same[id] ?? -1) mask[id >>> 5] = (mask[id >>> 5] ?? 0) | (1 << (id & 31));
      node++;
      if (on.made - madeBefore > MOST_MADE) throw new TooManyStates(`more than ${MOST_MADE} states at one place`);
    }
    if (from.nullable) for (const id of this.#endIds) mask[id >>> 5] = (mask[id >>> 5] ?? 0) | (1 << (id & 31));
    return mask;
  }
}
