/** How the heads of queries share those of keys and values. */
export interface HeadShape {
  readonly heads: number;
  /** Divides `heads`: query head h reads key and value head `floor(h / (heads / kvHeads))`. */
  readonly kvHeads: number;
  readonly headDim: number;
}

/** The keys and values of one layer of one sequence, [tokens, kvHeads, headDim] each; grows by doubling. */
export class KeyValues {
  keys = new Float32Array(0);
  values = new Float32Array(0);
  readonly #width: number;

  constructor({ kvHeads, headDim }: HeadShape) {
    this.#width = kvHeads * headDim;
  }

  /** Puts rows at `position`; whatever stood there and behind is gone. */
  write(position: number, keys: Float32Array, values: Float32Array): void {
    const start = position * this.#width;
    if (start + keys.length > this.keys.length) this.#grow(start, Math.max(start + keys.length, 2 * start));
    this.keys.set(keys, start);
    this.values.set(values, start);
  }

  #grow(kept: number, length: number): void {
    const [keys, values] = [this.keys, this.values];
    this.keys = new Float32Array(length);
    this.values = new Float32Array(length);
    this.keys.set(keys.subarray(0, kept));
    this.values.set(values.subarray(0, kept));
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
  const headDim = query.length;
  const scores = new Float32Array(tokens);
  for (let t = 0; t < tokens; t++) {
    const key = (t * kvHeads + kvHead) * headDim;
    let sum = 0;
    for (let i = 0; i < headDim; i++) sum += query[i]! * past.keys[key + i]!;
    scores[t] = Math.fround(sum) * headDim ** -0.5;
  }
  softmax(scores);
  for (let i = 0; i < headDim; i++) {
    let sum = 0;
    for (let t = 0; t < tokens; t++) sum += scores[t]! * past.values[(t * kvHeads + kvHead) * headDim + i]!;
    out[i] = sum;
  }
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
