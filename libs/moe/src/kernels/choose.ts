/** The loops over a vocabulary that the sampler is made of. */
import { uniformAt } from '../random.ts';

/** Flattens or sharpens, then keeps the `topK` most probable (0: all), then the fewest that reach `topP`. */
interface Cuts {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
}

/** The lowest id of the largest logit; -1 where one is NaN or none is above minus infinity. */
export function argMax(logits: Float32Array): number {
  let best = -1;
  let most = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!; // below the length
    if (Number.isNaN(logit)) return -1;
    if (logit > most) [best, most] = [id, logit];
  }
  return best;
}

/**
 * By inversion: of the kept tokens in a fixed order, the first at which the summed weights pass a uniform number.
 * @returns -1 where no token can be drawn, as {@link argMax}
 */
export function drawn(logits: Float32Array, sampling: Cuts & { readonly seed: number }, position: number): number {
  const most = logits[argMax(logits)] ?? Infinity;
  if (most === Infinity) return -1;
  const weights = new Float64Array(logits.length);
  for (let id = 0; id < logits.length; id++) weights[id] = Math.exp((logits[id]! - most) / sampling.temperature); // below the length
  const kept = keptIds(weights, sampling);
  const count = kept === null ? weights.length : kept.length;
  const idAt = (at: number): number => (kept === null ? at : kept[at]!); // below the count
  let total = 0;
  for (let at = 0; at < count; at++) total += weights[idAt(at)]!; // ids of the array
  const aim = uniformAt(sampling.seed, position) * total;
  let sum = 0;
  let last = -1;
  for (let at = 0; at < count && sum <= aim; at++) {
    const weight = weights[idAt(at)]!; // an id of the array
    // A sum that rounding keeps below the aim ends at the last token that has any weight.
    if (weight > 0) last = idAt(at);
    sum += weight;
  }
  return last;
}

/** By falling weight, ties to the lower id; null where nothing is cut off. */
function keptIds(weights: Float64Array, { topK, topP }: Cuts): Uint32Array | null {
  if (topK === 0 && topP === 1) return null;
  const ids = topK > 0 ? largest(weights, topK) : candidates(weights, topP);
  if (topP === 1) return ids;
  const total = sumOf(topK > 0 ? Float64Array.from(ids, (id) => weights[id]!) : weights); // ids of the array
  let sum = 0;
  for (let at = 0; at < ids.length; at++) {
    sum += weights[ids[at]!]!; // below the length
    if (sum >= topP * total) return ids.subarray(0, at + 1);
  }
  return ids;
}

/**
 * Sorted, everything that `topP` could keep: tokens below (1 - topP) / vocabulary weigh less than 1 - topP together, so
 * what is above them reaches topP without them.
 */
function candidates(weights: Float64Array, topP: number): Uint32Array {
  const least = ((1 - topP) * sumOf(weights)) / weights.length;
  const ids: number[] = [];
  for (let id = 0; id < weights.length; id++) if (weights[id]! >= least) ids.push(id); // below the length
  return Uint32Array.from(ids).sort((a, b) => weights[b]! - weights[a]! || a - b); // ids of the array
}

function sumOf(weights: Float64Array): number {
  let sum = 0;
  for (const weight of weights) sum += weight;
  return sum;
}

/** The `count` largest, sorted; ties to the lower id. Cost O(values log count): a heap with the least kept one on top. */
export function largest(values: ArrayLike<number>, count: number): Uint32Array {
  const heap = new Uint32Array(Math.min(count, values.length));
  const isLess = (a: number, b: number): boolean => values[a]! < values[b]! || (values[a]! === values[b]! && a > b); // ids of the array
  let size = 0;
  const sink = (from: number): void => {
    for (let at = from; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < size && isLess(heap[child]!, heap[least]!)) least = child; // below the size
      }
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!]; // below the size
      at = least;
    }
  };
  for (let id = 0; id < values.length; id++) {
    if (size < heap.length) {
      heap[size++] = id;
      if (size === heap.length) for (let at = size >> 1; at >= 0; at--) sink(at);
    } else if (isLess(heap[0]!, id)) {
      heap[0] = id;
      sink(0);
    }
  }
  return heap.sort((a, b) => (isLess(a, b) ? 1 : -1));
}
