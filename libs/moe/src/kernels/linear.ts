/**
 * The plain kernels, written to be read: every faster one is tested against them. Sums are kept in double precision and
 * rounded to f32 once, in an order that depends neither on the number of rows nor on the other rows, so that a row gives
 * the same bits alone and in any batch.
 */

/**
 * `out[r] = W x[r]`.
 * @param x [rows, inputs]
 * @param weight [outputs, inputs], as checkpoints store it
 * @returns [rows, outputs]
 */
export function linear(x: Float32Array, weight: Float32Array, rows: number): Float32Array<ArrayBuffer> {
  const inputs = x.length / rows;
  const outputs = weight.length / inputs;
  const out = new Float32Array(rows * outputs);
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outputs; o++) {
      let sum = 0;
      for (let i = 0; i < inputs; i++) sum += x[r * inputs + i]! * weight[o * inputs + i]!;
      out[r * outputs + o] = sum;
    }
  }
  return out;
}

/**
 * `out += scale * x`, product and sum each rounded to f32: what a shard returns is the product, as f32. How every combine
 * adds an expert's row to a token's.
 */
export function addScaled(out: Float32Array, x: Float32Array, scale: number): void {
  for (let i = 0; i < out.length; i++) out[i] = out[i]! + Math.fround(scale * x[i]!);
}

/** `x + y` in new memory. */
export function added(x: Float32Array, y: Float32Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(x);
  addScaled(out, y, 1);
  return out;
}
