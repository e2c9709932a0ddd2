import { type Kernels, runBlock, runHead } from './block.ts';
import { KeyValues } from './kernels/attention.ts';
import type { Holding, Output, Task } from './task.ts';

/** Weights and pages by number, and the work on them, all on the calling thread. */
export class Holdings {
  readonly #held = new Map<number, Holding>();
  readonly #kernels: Kernels;

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
  }

  hold(id: number, holding: Holding): void {
    this.#held.set(id, holding);
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
        const spans = task.spans.map(({ pages, ...span }) => {
          const data = pages.map((page) => this.#get(page, 'page').data);
          return { ...span, cache: new KeyValues(data, weights.layer, shape) };
        });
        return { kind: 'block', block: runBlock({ weights, shape, kernels: this.#kernels }, x, spans) };
      }
    }
  }

  #get<Kind extends Holding['kind']>(id: number, kind: Kind): Holding & { kind: Kind } {
    const held = this.#held.get(id);
    if (held?.kind !== kind) throw new Error(`there is no ${kind} ${id}: it was freed, or belongs to another backend`);
    return held as Holding & { kind: Kind }; // compared above
  }
}
