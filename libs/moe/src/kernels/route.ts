import { softmax } from './attention.ts';

/** Which experts each token goes to and with what weight. */
export interface Routing {
  readonly tokens: number;
  readonly topK: number;
  /** [tokens, topK], by falling probability (ties: lower id). */
  readonly ids: Uint16Array;
  /** [tokens, topK], as `ids`. */
  readonly weights: Float32Array;
}

/**
 * Softmax over all experts, then the `topK` most probable. Their weights are their probabilities, divided by their sum
 * when `normalise`.
 * @param logits [tokens, experts]
 * Cost O(tokens * experts * topK).
 */
export function routeTopK(
  logits: Float32Array,
  tokens: number,
  { topK, normalise }: { readonly topK: number; readonly normalise: boolean },
): Routing {
  const experts = logits.length / tokens;
  const ids = new Uint16Array(tokens * topK);
  const weights = new Float32Array(tokens * topK);
  for (let t = 0; t < tokens; t++) {
    const probabilities = logits.slice(t * experts, (t + 1) * experts);
    softmax(probabilities);
    const row = weights.subarray(t * topK, (t + 1) * topK);
    takeLargest(probabilities, ids.subarray(t * topK, (t + 1) * topK), row);
    if (normalise) divideBySum(row);
  }
  return { tokens, topK, ids, weights };
}

function takeLargest(probabilities: Float32Array, ids: Uint16Array, weights: Float32Array): void {
  for (let k = 0; k < ids.length; k++) {
    let best = 0;
    for (let e = 1; e < probabilities.length; e++) if (probabilities[e]! > probabilities[best]!) best = e;
    ids[k] = best;
    weights[k] = probabilities[best]!;
    probabilities[best] = -1;
  }
}

function divideBySum(weights: Float32Array): void {
  let sum = 0;
  for (let k = 0; k < weights.length; k++) sum += weights[k]!;
  sum = Math.fround(sum);
  for (let k = 0; k < weights.length; k++) weights[k] = weights[k]! / sum;
}
