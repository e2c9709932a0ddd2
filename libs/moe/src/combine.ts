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

/** Multiplies rows [rows, hidden] by one weight each, in place and in f32. */
export function weighRows(y: Float32Array, weights: Float32Array, hidden: number): void {
  for (const [row, weight] of weights.entries()) {
    for (let i = row * hidden; i < (row + 1) * hidden; i++) y[i] = (y[i] ?? 0) * weight;
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

/** What a shard returns in `reduced` mode: its pairs' rows [pairs, hidden] added by token, [rows, hidden]. */
export function reduceRows(y: Float32Array, slice: Pick<Slice, 'tokens'>, rows: number, hidden: number): Float32Array {
  const sum = new Float32Array(rows * hidden);
  for (const [pair, row] of slice.tokens.entries()) addRow(rowOf(sum, row, hidden), rowOf(y, pair, hidden));
  return sum;
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
