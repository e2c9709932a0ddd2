/**
 * RMS norm (Zhang and Sennrich 2019): each row over the root of its mean square, then times the weight.
 * @param x [rows, weight.length]; the heads of a token are rows of their own
 * @returns as x
 */
export function rmsNorm(x: Float32Array, weight: Float32Array, epsilon: number): Float32Array<ArrayBuffer> {
  const width = weight.length;
  const out = new Float32Array(x.length);
  for (let start = 0; start < x.length; start += width) {
    let squares = 0;
    for (let i = 0; i < width; i++) squares += x[start + i]! ** 2;
    const scale = 1 / Math.sqrt(squares / width + epsilon);
    for (let i = 0; i < width; i++) out[start + i] = weight[i]! * Math.fround(x[start + i]! * scale);
  }
  return out;
}
