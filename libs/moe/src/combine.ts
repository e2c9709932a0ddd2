/**
 * What the experts gave becomes the layer's output, in one of two ways. `deterministic`: one row per pair of token and
 * expert, added in ascending expert id in f32, bitwise the same wherever the experts are and whichever replica answered.
 * `reduced`: one row per token and shard, which has added its own; fewer bytes, equal to 1e-6.
 */
import type { ExpertPairs, Slice } from './dispatch.ts';

/** How a layer's output is put together. */
export type CombineMode = 'deterministic' | 'reduced';

/** A slice and what came back for it: f32 [pairs, hidden] when deterministic, [rows, hidden] when reduced. */
export interface Part {
  readonly slice: Slice;
  readonly y: Float32Array;
}

/** Writes rows [rows, hidden], each multiplied by its weight in f32, to `out`. */
export function weighRows(rows: Float32Array, weights: Float32Array, hidden: number, out: Float32Array): void {
  for (let row = 0; row < weights.length; row++) {
    const weight = weights[row] ?? 0;
    const end = (row + 1) * hidden;
    for (let i = row * hidden; i < end; i++) out[i] = (rows[i] ?? 0) * weight;
  }
}

/** What one expert gave: a row for each token that it saw, and that token's weight. */
export interface ExpertRows {
  /** [rows, hidden] */
  readonly rows: Float32Array;
  /** [rows], rows of the sum. */
  readonly tokens: Uint32Array;
  /** [rows] */
  readonly weights: Float32Array;
}

/** Adds an expert's rows to those of their tokens in `sum` [tokens, hidden], product and sum each rounded to f32. */
export function addWeighed(sum: Float32Array, { rows, tokens, weights }: ExpertRows, hidden: number): void {
  for (let row = 0; row < weights.length; row++) {
    const weight = weights[row] ?? 0;
    const from = row * hidden;
    const to = (tokens[row] ?? 0) * hidden;
    for (let i = 0; i < hidden; i++) {
      sum[to + i] = (sum[to + i] ?? 0) + Math.fround((rows[from + i] ?? 0) * weight);
    }
  }
}

/** Adds a row to another, in f32. */
function addRow(sum: Float32Array, row: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) + (row[i] ?? 0);
}

/** Row `index` of [rows, hidden], not copied. */
function rowOf(rows: Float32Array, index: number, hidden: number): Float32Array {
  return rows.subarray(index * hidden, (index + 1) * hidden);
}

/**
 * @returns f32 [tokens, hidden]
 * @throws Error when a pair has no row or two: a bug, never a wrong answer
 */
export function combine(
  mode: CombineMode,
  pairs: ExpertPairs,
  parts: readonly Part[],
  { tokens, hidden }: { readonly tokens: number; readonly hidden: number },
): Float32Array {
  const places = placesOf(pairs, parts);
  const out = new Float32Array(tokens * hidden);
  if (mode === 'deterministic') {
    for (const [pair, { y, row }] of places.entries()) {
      addRow(rowOf(out, pairs.tokens[pair] ?? 0, hidden), rowOf(y, row, hidden));
    }
    return out;
  }
  for (const { slice, y } of parts) {
    for (const [row, token] of slice.rows.entries()) addRow(rowOf(out, token, hidden), rowOf(y, row, hidden));
  }
  return out;
}

/** Where the row of each pair is. */
function placesOf(pairs: ExpertPairs, parts: readonly Part[]): { readonly y: Float32Array; readonly row: number }[] {
  const places = new Array<{ y: Float32Array; row: number }>(pairs.tokens.length);
  let found = 0;
  for (const { slice, y } of parts) {
    for (const [row, pair] of slice.pairs.entries()) {
      if (places[pair] !== undefined) throw new Error(`pair ${pair} was answered twice`);
      places[pair] = { y, row };
      found += 1;
    }
  }
  if (found !== pairs.tokens.length) throw new Error(`${pairs.tokens.length - found} pairs were not answered`);
  return places;
}
