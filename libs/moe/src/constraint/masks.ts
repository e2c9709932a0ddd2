/** Which tokens may come next, by the state of an automaton. */
import { type Expression, type Expressions, TooManyStates } from './expressions.ts';
import type { TokenTrie } from './token-trie.ts';

/** A bit for each token, in words of 32. */
export type Mask = Uint32Array;

export function allows(mask: Mask, id: number): boolean {
  return (((mask[id >>> 5] ?? 0) >>> (id & 31)) & 1) === 1;
}

/** The tokens that may follow a state. */
export interface Following {
  readonly mask: Mask;
  readonly isEmpty: boolean;
  /** By so many bytes a token may put the shortest end off, at most. */
  readonly growth: number;
}

/** Derivatives that one mask may take, some tenths of a second: beyond, no text should be held to the constraint. */
const MOST_DERIVED = 2_000_000;
/** Masks that are kept; each has a bit for each token. */
const MOST_KEPT = 256;

/** The masks of one automaton: a state that was met before costs a look. The least recently used give way. */
export class Masks {
  readonly #on: Expressions;
  readonly #trie: TokenTrie;
  readonly #endIds: ReadonlySet<number>;
  readonly #kept = new Map<Expression, Following>();

  constructor(on: Expressions, trie: TokenTrie, endIds: ReadonlySet<number>) {
    this.#on = on;
    this.#trie = trie;
    this.#endIds = endIds;
  }

  /**
   * The tokens all of whose bytes may follow, and where the text may end, those that end it.
   * @throws TooManyStates
   * Cost, where it is not known yet, O(bytes of the vocabulary)
   */
  of(state: Expression): Following {
    const near = this.#on.near(state, this.#trie.longest);
    const known = this.#kept.get(near);
    if (known !== undefined) this.#kept.delete(near);
    const following = known ?? this.#walk(near, Infinity);
    this.#kept.set(near, following);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MOST_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return following;
  }

  /**
   * As {@link of}, but only tokens behind which the text can still end in time, as far as single bytes are tokens.
   * @param left tokens, the next one included
   * Cost O(bytes of the vocabulary) where time is short, and no more than a look where it is not
   */
  inTime(state: Expression, left: number): Following {
    const following = this.of(state);
    return state.least + following.growth < left ? following : this.#walk(state, left - 1);
  }

  /** @param most bytes of the shortest end behind a token */
  #walk(from: Expression, most: number): Following {
    const { nodes, bytes, depths, behind, tokens, same, longest, vocabulary } = this.#trie;
    const on = this.#on;
    const mask = new Uint32Array(Math.ceil(vocabulary / 32));
    const path = new Array<Expression>(longest + 1).fill(from);
    const limit = on.derived + MOST_DERIVED;
    let growth = -Infinity;
    for (let node = 0; node < nodes; ) {
      const depth = depths[node] ?? 0;
      const state = path[depth] ?? on.never;
      const next = on.after(state, bytes[node] ?? 0);
      if (next === on.never) {
        node = behind[node] ?? nodes;
        continue;
      }
      if (on.derived > limit) throw new TooManyStates('more ways to go on than can be looked at');
      path[depth + 1] = next;
      const first = tokens[node] ?? -1;
      if (first >= 0 && next.least <= most) {
        growth = Math.max(growth, next.least - from.least);
        for (let id = first; id >= 0; id = same[id] ?? -1) put(mask, id);
      }
      node++;
    }
    if (from.nullable) for (const id of this.#endIds) put(mask, id);
    return { mask, growth, isEmpty: mask.every((word) => word === 0) };
  }
}

function put(mask: Mask, id: number): void {
  mask[id >>> 5] = (mask[id >>> 5] ?? 0) | (1 << (id & 31));
}
