/** What experts gave, times its weight and added up, in f32. */

/** Writes rows [rows, hidden], each multiplied by its weight in f32, to `out`. */
export function weighRows(rows: Float32Array, weights: Float32Array, hidden: number, out: Float32Array): void {
  for (let row = 0; row < weights.length; row++) {
    const weight = weights[row]!;
    const end = (row + 1) * hidden;
    for (let i = row * hidden; i < end; i++) out[i] = rows[i]! * weight;
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
    const weight = weights[row]!;
    const from = row * hidden;
    const to = tokens[row]! * hidden;
    for (let i = 0; i < hidden; i++) sum[to + i] = sum[to + i]! + Math.fround(rows[from + i]! * weight);
  }
}

/** A row of [rows, hidden]. */
export interface Row {
  readonly y: Float32Array;
  readonly row: number;
}

/** Adds a row to row `token` of `sum`, in f32. */
export function addRow(sum: Float32Array, token: number, { y, row }: Row, hidden: number): void {
  const [to, from] = [token * hidden, row * hidden];
  for (let i = 0; i < hidden; i++) sum[to + i] = sum[to + i]! + y[from + i]!;
}
