import {
  type BlockOutput,
  type BlockShape,
  type BlockWeights,
  type HeadWeights,
  type Kernels,
  runBlock,
  runHead,
} from './block.ts';
import { type HeadShape, KeyValues } from './kernels/attention.ts';
import type { ExpertWeights } from './kernels/feed-forward.ts';

/** What is held under a number. */
export type Holding =
  | { readonly kind: 'expert'; readonly weights: ExpertWeights }
  | { readonly kind: 'block'; readonly weights: BlockWeights; readonly shape: BlockShape }
  | { readonly kind: 'head'; readonly weights: HeadWeights }
  | { readonly kind: 'cache'; readonly layers: number; readonly shape: HeadShape };

/** Rows of one sequence, its cache by number. */
export interface SpanById {
  readonly cache: number;
  readonly position: number;
  readonly rows: number;
}

/** Work on what is held; `x` is f32 [rows, hidden]. */
export type Task =
  | { readonly kind: 'expert'; readonly id: number; readonly x: Float32Array; readonly rows: number }
  | { readonly kind: 'head'; readonly id: number; readonly x: Float32Array; readonly rows: number }
  | { readonly kind: 'block'; readonly id: number; readonly x: Float32Array; readonly spans: readonly SpanById[] };

type Cache = { readonly kind: 'cache'; readonly layers: readonly KeyValues[] };
type Held = Exclude<Holding, { kind: 'cache' }> | Cache;

/** Weights and caches by number, and the work on them, all on the calling thread. */
export class Holdings {
  readonly #held = new Map<number, Held>();
  readonly #kernels: Kernels;

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
  }

  hold(id: number, holding: Holding): void {
    this.#held.set(id, holding.kind === 'cache' ? cacheOf(holding) : holding);
  }

  drop(id: number): void {
    this.#held.delete(id);
  }

  feedForward({ id, x, rows }: Task & { kind: 'expert' }): Float32Array {
    return this.#kernels.feedForward(this.#get(id, 'expert').weights, x, rows);
  }

  block({ id, x, spans }: Task & { kind: 'block' }): BlockOutput {
    const { weights, shape } = this.#get(id, 'block');
    const rows = spans.map(({ cache, ...span }) => ({ ...span, cache: this.#layerOf(cache, weights.layer) }));
    return runBlock({ weights, shape, kernels: this.#kernels }, x, rows);
  }

  head({ id, x, rows }: Task & { kind: 'head' }): Float32Array {
    return runHead(this.#get(id, 'head').weights, x, rows, this.#kernels);
  }

  #layerOf(id: number, layer: number): KeyValues {
    const keyValues = this.#get(id, 'cache').layers[layer];
    if (keyValues === undefined) throw new Error(`cache ${id} has no layer ${layer}`);
    return keyValues;
  }

  #get<Kind extends Held['kind']>(id: number, kind: Kind): Held & { kind: Kind } {
    const held = this.#held.get(id);
    if (held?.kind !== kind) throw new Error(`there is no ${kind} ${id}: it was freed, or belongs to another backend`);
    return held as Held & { kind: Kind }; // compared above
  }
}

function cacheOf({ layers, shape }: Holding & { kind: 'cache' }): Cache {
  return { kind: 'cache', layers: Array.from({ length: layers }, () => new KeyValues(shape)) };
}
