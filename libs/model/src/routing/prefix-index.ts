import type { PromptBlock } from './prompt-blocks.ts';

/** Groups that one block is remembered for; who had it last stays. */
const mostGroups = 8;

/** Which groups were asked with which beginnings of prompts. Bounded: what was not seen for longest is forgotten first. */
export class PrefixIndex {
  readonly #most: number;
  /** By hash, the least recently seen first; its groups likewise. */
  readonly #blocks = new Map<string, Set<string>>();

  /** @param most blocks, at some 200 bytes each */
  constructor(most = 65_536) {
    this.#most = most;
  }

  get size(): number {
    return this.#blocks.size;
  }

  /** How many tokens of a prompt each group has seen in one piece from its beginning; common ones do not count. */
  overlaps(blocks: readonly PromptBlock[]): Map<string, number> {
    const tokens = new Map<string, number>();
    let going: readonly string[] | null = null;
    for (const { hash, tokens: size, common } of blocks) {
      const here = this.#blocks.get(hash);
      if (here === undefined) break;
      const both: readonly string[] = (going ?? [...here]).filter((group) => here.has(group));
      for (const group of both) tokens.set(group, (tokens.get(group) ?? 0) + (common ? 0 : size));
      going = both;
    }
    return tokens;
  }

  /** A group was asked with this prompt. */
  note(blocks: readonly PromptBlock[], group: string): void {
    for (const { hash } of blocks) {
      const groups = this.#blocks.get(hash) ?? new Set();
      groups.delete(group);
      groups.add(group);
      if (groups.size > mostGroups) groups.delete(first(groups));
      this.#blocks.delete(hash);
      this.#blocks.set(hash, groups);
      if (this.#blocks.size > this.#most) this.#blocks.delete(first(this.#blocks.keys()));
    }
  }

  /** A group has lost all that it had. */
  forget(group: string): void {
    for (const [hash, groups] of this.#blocks) {
      if (groups.delete(group) && groups.size === 0) this.#blocks.delete(hash);
    }
  }
}

function first(of: Iterable<string>): string {
  for (const one of of) return one;
  return '';
}
