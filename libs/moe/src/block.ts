import { attend, type HeadShape, type KeyValues } from './kernels/attention.ts';
import { feedForward } from './kernels/feed-forward.ts';
import { added, addScaled, linear } from './kernels/linear.ts';
import { rmsNorm } from './kernels/norm.ts';
import { rotate } from './kernels/rope.ts';
import { type Routing, routeTopK } from './kernels/route.ts';

/** The steps of the forward pass. The mutation tests put a wrong one in the place of each. */
export interface Kernels {
  readonly norm: typeof rmsNorm;
  /** Of queries and keys, head by head. */
  readonly headNorm: typeof rmsNorm;
  readonly rotate: typeof rotate;
  readonly attend: typeof attend;
  readonly route: typeof routeTopK;
  readonly feedForward: typeof feedForward;
  /** Adds an expert's row to a token's. */
  readonly combine: typeof addScaled;
}

export const plainKernels: Kernels = {
  norm: rmsNorm,
  headNorm: rmsNorm,
  rotate,
  attend,
  route: routeTopK,
  feedForward,
  combine: addScaled,
};

/** What a layer's attention and router need to know besides weights. */
export interface BlockShape extends HeadShape {
  readonly hidden: number;
  readonly epsilon: number;
  readonly ropeTheta: number;
  readonly topK: number;
  /** Whether the weights of a token's experts are made to add up to one. */
  readonly normTopK: boolean;
}

/** A layer without its experts, f32, matrices [outputs, inputs]. */
export interface BlockWeights {
  readonly layer: number;
  readonly inputNorm: Float32Array;
  readonly q: Float32Array;
  readonly k: Float32Array;
  readonly v: Float32Array;
  readonly o: Float32Array;
  /** [headDim], shared by all heads. */
  readonly qNorm: Float32Array;
  readonly kNorm: Float32Array;
  readonly postNorm: Float32Array;
  /** [experts, hidden]; null for a dense layer. */
  readonly router: Float32Array | null;
}

/** What a layer gives before its experts. */
export interface BlockOutput {
  /** [rows, hidden], to which the experts' output is added. */
  readonly residual: Float32Array;
  /** [rows, hidden], what the experts see. */
  readonly normed: Float32Array;
  /** Null for a dense layer. */
  readonly routing: Routing | null;
}

/** The end of the model: final norm and projection onto the vocabulary. */
export interface HeadWeights {
  readonly norm: Float32Array;
  /** [vocabulary, hidden] */
  readonly projection: Float32Array;
  readonly epsilon: number;
}

/** Rows of one sequence, whose keys and values go to `position` and behind it. */
export interface CachedRows {
  readonly cache: KeyValues;
  readonly position: number;
  readonly rows: number;
}

/**
 * One layer up to its experts, as the model's paper has it: `residual = x + attention(norm(x))`, then norm and router.
 * @param x [rows, hidden], the rows of the spans one after another
 */
export function runBlock(
  {
    weights,
    shape,
    kernels,
  }: { readonly weights: BlockWeights; readonly shape: BlockShape; readonly kernels: Kernels },
  x: Float32Array,
  spans: readonly CachedRows[],
): BlockOutput {
  const rows = x.length / shape.hidden;
  const residual = new Float32Array(x.length);
  let row = 0;
  for (const span of spans) {
    const [start, end] = [row * shape.hidden, (row + span.rows) * shape.hidden];
    const own = x.subarray(start, end);
    residual.set(
      added(own, attention({ weights, shape, kernels }, kernels.norm(own, weights.inputNorm, shape.epsilon), span)),
      start,
    );
    row += span.rows;
  }
  const normed = kernels.norm(residual, weights.postNorm, shape.epsilon);
  if (weights.router === null) return { residual, normed, routing: null };
  const logits = linear(normed, weights.router, rows);
  return { residual, normed, routing: kernels.route(logits, rows, { topK: shape.topK, normalise: shape.normTopK }) };
}

/** @param x [rows, hidden], normed */
function attention(
  {
    weights,
    shape,
    kernels,
  }: { readonly weights: BlockWeights; readonly shape: BlockShape; readonly kernels: Kernels },
  x: Float32Array,
  { cache, position, rows }: CachedRows,
): Float32Array {
  const { headDim, ropeTheta, epsilon } = shape;
  const positions = { first: position, rows };
  const queries = kernels.headNorm(linear(x, weights.q, rows), weights.qNorm, epsilon);
  const keys = kernels.headNorm(linear(x, weights.k, rows), weights.kNorm, epsilon);
  kernels.rotate(queries, positions, headDim, ropeTheta);
  kernels.rotate(keys, positions, headDim, ropeTheta);
  cache.write(position, keys, linear(x, weights.v, rows));
  return linear(kernels.attend(queries, cache, position, shape), weights.o, rows);
}

/** @returns logits [rows, vocabulary] */
export function runHead(
  weights: HeadWeights,
  x: Float32Array,
  rows: number,
  kernels: Kernels,
): Float32Array<ArrayBuffer> {
  return linear(kernels.norm(x, weights.norm, weights.epsilon), weights.projection, rows);
}
