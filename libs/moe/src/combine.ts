/**
 * What the experts gave becomes the layer's output, in one of two ways. `deterministic`: one row per pair of token and
 * expert, added in ascending expert id in f32, bitwise the same wherever the experts are and whichever replica answered.
 * `reduced`: one row per token and shard, which has added its own; fewer bytes, equal to 1e-6.
 */
import type { ExpertPairs, Slice } from './dispatch.ts';
import { addRow, type Row } from './kernels/weigh.ts';

/** How a layer's output is put together. */
export type CombineMode = 'deterministic' | 'reduced';

/** A slice and what came back for it: f32 [pairs, hidden] when deterministic, [rows, hidden] when reduced. */
export interface Part {
  readonly slice: Slice;
  readonly y: Float32Array;
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
    for (const [pair, place] of places.entries()) addRow(out, pairs.tokens[pair] ?? 0, place, hidden);
    return out;
  }
  for (const { slice, y } of parts) {
    for (const [row, token] of slice.rows.entries()) addRow(out, token, { y, row }, hidden);
  }
  return out;
}

/** Where the row of each pair is. */
function placesOf(pairs: ExpertPairs, parts: readonly Part[]): Row[] {
  const places = new Array<Row>(pairs.tokens.length);
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
