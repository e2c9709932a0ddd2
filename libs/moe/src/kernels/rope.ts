/** Rows of heads that follow one another in one sequence. */
export interface Positions {
  /** Of the first row. */
  readonly first: number;
  readonly rows: number;
}

/**
 * Rotary position embedding (Su et al. 2021) in the layout of GPT-NeoX: number `i` of a head turns with number
 * `i + headDim / 2`, by `position * theta^(-2i / headDim)`. Each step is rounded to f32, as where the model was trained:
 * far into a context the angles differ otherwise.
 * @param x [rows, heads, headDim], changed in place
 */
export function rotate(x: Float32Array, { first, rows }: Positions, headDim: number, theta: number): void {
  const half = headDim / 2;
  const width = x.length / rows;
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < half; i++) {
      const slowness = Math.fround(theta ** Math.fround((2 * i) / headDim));
      const angle = Math.fround((first + r) * Math.fround(1 / slowness));
      const cos = Math.fround(Math.cos(angle));
      const sin = Math.fround(Math.sin(angle));
      for (let at = r * width + i; at < (r + 1) * width; at += headDim) {
        const a = x[at]!;
        const b = x[at + half]!;
        x[at] = a * cos - b * sin;
        x[at + half] = b * cos + a * sin;
      }
    }
  }
}
