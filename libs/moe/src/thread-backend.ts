import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { types } from 'node:util';
import { type ComputeBackend, plainArithmetic, type ResidentPage, type Span } from './backend.ts';
import type { BlockOutput } from './block.ts';
import { ComputeWorker } from './compute-worker.ts';
import { pageLength } from './kernels/attention.ts';
import type { Routing } from './kernels/route.ts';
import { blockIn, bytesOf, type Holding, type Output, rowsIn, type Task } from './task.ts';

/** `threads` default: one fewer than the processors; `taskLimitMs` default 300,000. */
export interface ThreadOptions {
  readonly threads?: number | undefined;
  readonly taskLimitMs?: number | undefined;
  /** Told when a thread has died, or is given up past its limit: the backend is of no use any more. */
  readonly onDeath?: ((why: Error) => void) | undefined;
}

/**
 * Computes in worker threads with the plain kernels. Weights, keys and values lie once in shared
 * memory; each sequence's attention is computed by whichever thread has least to do. When a thread dies, so does the
 * backend.
 */
export function threadBackend(options: ThreadOptions = {}): ComputeBackend {
  const threads = options.threads ?? Math.max(1, availableParallelism() - 1);
  const entry = new URL(`./compute-thread${extname(new URL(import.meta.url).pathname)}`, import.meta.url);
  const start = () => new ComputeWorker(options.taskLimitMs ?? 300_000, entry, options.onDeath);
  return new ThreadBackend(Array.from({ length: threads }, start));
}

class ThreadBackend implements ComputeBackend {
  readonly name = 'threads';
  readonly arithmetic = plainArithmetic;
  readonly #workers: readonly ComputeWorker[];
  #lastId = 0;

  constructor(workers: readonly ComputeWorker[]) {
    this.#workers = workers;
  }

  async loadExpert(weights: Parameters<ComputeBackend['loadExpert']>[0]) {
    return this.#hold({ kind: 'expert', weights });
  }

  async loadBlock(...[weights, shape]: Parameters<ComputeBackend['loadBlock']>) {
    return this.#hold({ kind: 'block', weights, shape });
  }

  async loadHead(weights: Parameters<ComputeBackend['loadHead']>[0]) {
    return this.#hold({ kind: 'head', weights });
  }

  async runExpert({ id }: { readonly id: number }, x: Float32Array, rows: number): Promise<Float32Array> {
    return rowsIn(await this.#run({ kind: 'expert', id, x, rows }));
  }

  async runHead({ id }: { readonly id: number }, x: Float32Array, rows: number): Promise<Float32Array> {
    return rowsIn(await this.#run({ kind: 'head', id, x, rows }));
  }

  async runBlock({ id }: { readonly id: number }, x: Float32Array, spans: readonly Span[]): Promise<BlockOutput> {
    const width = x.length / spans.reduce((sum, { rows }) => sum + rows, 0);
    let end = 0;
    const running = spans.map(async ({ pages, ...span }) => {
      const start = end;
      end += span.rows * width;
      const byId = { ...span, pages: pages.map((page) => page.id) };
      return blockIn(await this.#run({ kind: 'block', id, x: x.subarray(start, end), spans: [byId] }));
    });
    // All of them, also behind one that failed: what is still under way writes into pages that would be given to others.
    const ended = await Promise.allSettled(running);
    return joined(ended.map((end) => (end.status === 'fulfilled' ? end.value : raise(end.reason))));
  }

  openPage(...[layers, shape]: Parameters<ComputeBackend['openPage']>): ResidentPage {
    return this.#hold({ kind: 'page', data: sharedZeros(pageLength(layers, shape)) });
  }

  free({ id }: { readonly id: number }): void {
    for (const worker of this.#workers) worker.drop(id);
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }

  #hold<H extends Holding>(holding: H) {
    const id = ++this.#lastId;
    const shared = inSharedMemory(holding);
    for (const worker of this.#workers) worker.hold(id, shared);
    return { kind: holding.kind as H['kind'], id, bytes: bytesOf(holding) };
  }

  #run(task: Task): Promise<Output> {
    return least(this.#workers, ({ load }) => load).run(task);
  }
}

function raise(error: unknown): never {
  throw error;
}

/** Of equals the first. */
function least(workers: readonly ComputeWorker[], measure: (worker: ComputeWorker) => number): ComputeWorker {
  const [first, ...others] = workers;
  if (first === undefined) throw new RangeError('a backend needs a thread');
  return others.reduce((best, worker) => (measure(worker) < measure(best) ? worker : best), first);
}

/** Copied there unless it lies there already, as what a checkpoint has read does. */
function inSharedMemory<H extends Holding>(holding: H): H {
  if (holding.kind === 'page') return holding;
  const weights = Object.entries(holding.weights).map(([name, value]: [string, unknown]) => {
    const isPrivate = value instanceof Float32Array && !types.isSharedArrayBuffer(value.buffer);
    return [name, isPrivate ? sharedCopy(value) : value];
  });
  return { ...holding, weights: Object.fromEntries(weights) };
}

function sharedCopy(x: Float32Array): Float32Array<SharedArrayBuffer> {
  const copy = sharedZeros(x.length);
  copy.set(x);
  return copy;
}

function sharedZeros(length: number): Float32Array<SharedArrayBuffer> {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}

function joined(blocks: readonly BlockOutput[]): BlockOutput {
  const [first] = blocks;
  if (first === undefined || blocks.length === 1) return first ?? { residual: none, normed: none, routing: null };
  return {
    residual: concatenated(blocks.map(({ residual }) => residual)),
    normed: concatenated(blocks.map(({ normed }) => normed)),
    routing: joinedRouting(blocks.flatMap(({ routing }) => (routing === null ? [] : [routing]))),
  };
}

const none = new Float32Array(0);

function concatenated(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function joinedRouting(parts: readonly Routing[]): Routing | null {
  const [first] = parts;
  if (first === undefined) return null;
  return {
    tokens: parts.reduce((sum, { tokens }) => sum + tokens, 0),
    topK: first.topK,
    ids: Uint16Array.from(parts.flatMap(({ ids }) => [...ids])),
    weights: concatenated(parts.map(({ weights }) => weights)),
  };
}
