import { type Kernels, runBlock, runHead } from './block.ts';
import { KeyValues } from './kernels/attention.ts';
import type { Holding, Output, Task } from './task.ts';

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

  run(task: Task): Output {
    const { id, x } = task;
    switch (task.kind) {
      case 'expert':
        return { kind: 'rows', rows: this.#kernels.feedForward(this.#get(id, 'expert').weights, x, task.rows) };
      case 'head':
        return { kind: 'rows', rows: runHead(this.#get(id, 'head').weights, x, task.rows, this.#kernels) };
      case 'block': {
        const { weights, shape } = this.#get(id, 'block');
        const spans = task.spans.map((span) => ({ ...span, cache: this.#layerOf(span.cache, weights.layer) }));
        return { kind: 'block', block: runBlock({ weights, shape, kernels: this.#kernels }, x, spans) };
      }
    }
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
