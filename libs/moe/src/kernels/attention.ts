/** How the heads of queries share those of keys and values. */
export interface HeadShape {
  readonly heads: number;
  /** Divides `heads`: query head h reads key and value head `floor(h / (heads / kvHeads))`. */
  readonly kvHeads: number;
  readonly headDim: number;
}

/** Tokens whose keys and values lie together: what is shared, found again and given up as a whole. */
export const PAGE_TOKENS = 16;

/** Numbers of one page: [layers, 2 (keys, values), PAGE_TOKENS, kvHeads, headDim]. */
export function pageLength(layers: number, { kvHeads, headDim }: HeadShape): number {
  return layers * 2 * PAGE_TOKENS * kvHeads * headDim;
}

/** The keys and values of one layer of one sequence, in pages that may lie anywhere. */
export class KeyValues {
  readonly pages: readonly Float32Array[];
  /** Where this layer's keys begin in each page. */
  readonly keysAt: number;
  readonly valuesAt: number;
  readonly #width: number;

  /** @param pages in the order of the sequence's tokens */
  constructor(pages: readonly Float32Array[], layer: number, { kvHeads, headDim }: HeadShape) {
    this.pages = pages;
    this.#width = kvHeads * headDim;
    this.keysAt = 2 * layer * PAGE_TOKENS * this.#width;
    this.valuesAt = this.keysAt + PAGE_TOKENS * this.#width;
  }

  /** Puts rows at `position` and behind it. @throws RangeError where the pages end before the rows */
  write(position: number, keys: Float32Array, values: Float32Array): void {
    const width = this.#width;
    for (let row = 0; row * width < keys.length; row++) {
      const page = this.pages[Math.floor((position + row) / PAGE_TOKENS)];
      if (page === undefined) throw new RangeError(`there is no page for position ${position + row}`);
      const at = ((position + row) % PAGE_TOKENS) * width;
      page.set(keys.subarray(row * width, (row + 1) * width), this.keysAt + at);
      page.set(values.subarray(row * width, (row + 1) * width), this.valuesAt + at);
    }
  }
}

/**
 * Causal attention with grouped queries (Ainslie et al. 2023) of the rows at positions `first`, `first + 1`, ... over
 * all keys up to each row's own, which stand in `past` already.
 * @param queries [rows, heads, headDim]
 * @returns [rows, heads, headDim]
 * Cost O(rows * heads * positions * headDim).
 */
export function attend(queries: Float32Array, past: KeyValues, first: number, shape: HeadShape): Float32Array {
  const { heads, kvHeads, headDim } = shape;
  const rows = queries.length / (heads * headDim);
  const out = new Float32Array(queries.length);
  for (let r = 0; r < rows; r++) {
    for (let h = 0; h < heads; h++) {
      const at = (r * heads + h) * headDim;
      const query = queries.subarray(at, at + headDim);
      const kvHead = Math.floor(h / (heads / kvHeads));
      attendHead(query, past, { tokens: first + r + 1, kvHead, kvHeads }, out.subarray(at, at + headDim));
    }
  }
  return out;
}

interface View {
  readonly tokens: number;
  readonly kvHead: number;
  readonly kvHeads: number;
}

function attendHead(query: Float32Array, past: KeyValues, view: View, out: Float32Array): void {
  const { tokens, kvHead, kvHeads } = view;
  const { pages, keysAt, valuesAt } = past;
  const headDim = query.length;
  const scores = new Float32Array(tokens);
  for (let t = 0; t < tokens; t++) {
    const page = pages[Math.floor(t / PAGE_TOKENS)]!; // written before it is read
    const key = keysAt + ((t % PAGE_TOKENS) * kvHeads + kvHead) * headDim;
    let sum = 0;
    for (let i = 0; i < headDim; i++) sum += query[i]! * page[key + i]!;
    scores[t] = Math.fround(sum) * headDim ** -0.5;
  }
  softmax(scores);
  // Each sum goes over the tokens in their order, wherever the pages end: the same bits as in one piece.
  const sums = new Float64Array(headDim);
  for (let t = 0; t < tokens; t++) {
    const page = pages[Math.floor(t / PAGE_TOKENS)]!;
    const value = valuesAt + ((t % PAGE_TOKENS) * kvHeads + kvHead) * headDim;
    for (let i = 0; i < headDim; i++) sums[i]! += scores[t]! * page[value + i]!;
  }
  out.set(sums);
}

/** In place; the largest is taken off first, so that no exponential overflows. */
export function softmax(x: Float32Array): void {
  let largest = -Infinity;
  for (let i = 0; i < x.length; i++) largest = Math.max(largest, x[i]!);
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    x[i] = Math.exp(x[i]! - largest);
    sum += x[i]!;
  }
  for (let i = 0; i < x.length; i++) x[i] = x[i]! / sum;
}
