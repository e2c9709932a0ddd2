import { linear } from './linear.ts';

/** One expert's weights, f32. A dense layer's feed-forward part is an expert that every token visits. */
export interface ExpertWeights {
  /** [width, hidden] */
  readonly gate: Float32Array;
  /** [width, hidden] */
  readonly up: Float32Array;
  /** [hidden, width] */
  readonly down: Float32Array;
}

/**
 * SwiGLU (Shazeer 2020): `down (silu(gate x) * up x)`.
 * @param x [rows, hidden]
 * @returns [rows, hidden]
 */
export function feedForward(
  { gate, up, down }: ExpertWeights,
  x: Float32Array,
  rows: number,
): Float32Array<ArrayBuffer> {
  const gated = linear(x, gate, rows);
  const lifted = linear(x, up, rows);
  for (let i = 0; i < gated.length; i++) gated[i] = (gated[i]! / (1 + Math.exp(-gated[i]!))) * lifted[i]!;
  return linear(gated, down, rows);
}
