import { Aborted, InvalidInput, InvalidState } from '#errors';
import type { ComputeBackend, ResidentBlock, ResidentCache, ResidentExpert, ResidentHead } from './backend.ts';
import type { BlockShape } from './block.ts';
import type { Experts } from './experts.ts';
import { added } from './kernels/linear.ts';
import { firstUnusable } from './kernels/number-format.ts';
import type { Routing } from './kernels/route.ts';
import type { ModelConfig } from './model-config.ts';

/** A loaded model. What it remembers of texts is in sequences. */
export interface Model {
  readonly config: ModelConfig;
  open(): Sequence;
  /**
   * Appends tokens to each sequence. A step that fails appends nothing, and may be repeated.
   * @returns for each part of the batch the logits f32 [vocabulary] after its last token
   * @throws InvalidInput (a token that is none, no tokens, more than the context holds), Aborted, whatever the experts throw
   */
  step(batch: readonly BatchPart[], signal: AbortSignal): Promise<Float32Array[]>;
}

/** A sequence may be in one step at a time, and once in it. */
export interface BatchPart {
  readonly sequence: Sequence;
  readonly tokens: readonly number[];
}

/** The tokens of one text, of which the model keeps keys and values. */
export interface Sequence {
  /** In tokens. */
  readonly length: number;
  /** Forgets all tokens from `length` on. */
  truncate(length: number): void;
  /** A step that it is in still ends well. */
  close(): void;
}

/** What a layer computed, for tests and tools. */
export interface LayerTrace {
  readonly layer: number;
  /** [rows, hidden], after the layer. */
  readonly hidden: Float32Array;
  /** Null for a dense layer. */
  readonly routing: Routing | null;
}

/** A model's weights where they are computed with. */
export interface LoadedWeights {
  /** [vocabulary, hidden] */
  readonly embedding: Float32Array;
  readonly layers: readonly { readonly block: ResidentBlock; readonly dense: ResidentExpert | null }[];
  readonly head: ResidentHead;
}

interface Parts {
  readonly config: ModelConfig;
  readonly backend: ComputeBackend;
  readonly experts: Experts;
  readonly weights: LoadedWeights;
  readonly trace: ((layer: LayerTrace) => void) | undefined;
}

/** The shape of every layer's attention and router. */
export function blockShapeOf(config: ModelConfig): BlockShape {
  const { hidden, heads, kvHeads, headDim, epsilon, ropeTheta, topK, normTopK } = config;
  return { hidden, heads, kvHeads, headDim, epsilon, ropeTheta, topK, normTopK };
}

class CachedSequence implements Sequence {
  readonly #cache: ResidentCache;
  readonly #free: (cache: ResidentCache) => void;
  #length = 0;
  #closed = false;
  #busy = false;

  constructor(cache: ResidentCache, free: (cache: ResidentCache) => void) {
    this.#cache = cache;
    this.#free = free;
  }

  get length(): number {
    return this.#length;
  }

  /** @throws Error when it is closed: the caller's bug */
  get cache(): ResidentCache {
    if (this.#closed) throw new Error('the sequence is closed');
    return this.#cache;
  }

  get busy(): boolean {
    return this.#busy;
  }

  enter(): void {
    this.#busy = true;
  }

  /** @param appended 0 after a step that failed */
  leave(appended: number): void {
    this.#length += appended;
    this.#busy = false;
    if (this.#closed) this.#free(this.#cache);
  }

  truncate(length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.#length) {
      throw new RangeError(`a sequence of ${this.#length} tokens cannot be cut to ${length}`);
    }
    if (this.#busy) throw new Error('the sequence is in a step');
    this.#length = length;
  }

  close(): void {
    if (!this.#closed && !this.#busy) this.#free(this.#cache);
    this.#closed = true;
  }
}

/** The forward pass over weights that are loaded. */
export class LoadedModel implements Model {
  readonly config: ModelConfig;
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.config = parts.config;
    this.#parts = parts;
  }

  open(): Sequence {
    const { backend, config } = this.#parts;
    const cache = backend.openCache(config.sparse.length, blockShapeOf(config));
    return new CachedSequence(cache, (freed) => backend.free(freed));
  }

  async step(batch: readonly BatchPart[], signal: AbortSignal): Promise<Float32Array[]> {
    const parts = batch.map(({ sequence, tokens }, i) => this.#checked(sequence, tokens, i));
    if (new Set(parts.map(({ sequence }) => sequence)).size < parts.length) {
      throw new Error('a sequence is in the batch twice');
    }
    if (parts.length === 0) return [];
    for (const { sequence } of parts) sequence.enter();
    let done = false;
    try {
      const logits = await this.#forward(parts, signal);
      done = true;
      return logits;
    } finally {
      for (const { sequence, tokens } of parts) sequence.leave(done ? tokens.length : 0);
    }
  }

  #checked(sequence: Sequence, tokens: readonly number[], part: number) {
    const { vocabulary, contextTokens } = this.config;
    if (!(sequence instanceof CachedSequence)) throw new Error('the sequence belongs to another model');
    if (sequence.busy) throw new Error('the sequence is in a step already');
    const path = `batch[${part}].tokens`;
    if (tokens.length === 0) throw new InvalidInput([{ path, message: 'is empty; a step needs a token' }]);
    const wrong = tokens.findIndex((token) => !Number.isInteger(token) || token < 0 || token >= vocabulary);
    if (wrong !== -1) {
      const message = `is ${tokens[wrong]}; the model's tokens are 0 to ${vocabulary - 1}`;
      throw new InvalidInput([{ path: `${path}[${wrong}]`, message }]);
    }
    const length = sequence.length + tokens.length;
    if (length > contextTokens) {
      const message = `would make ${length} tokens; the model's context holds ${contextTokens}`;
      throw new InvalidInput([{ path, message }]);
    }
    return { sequence, tokens };
  }

  async #forward(
    parts: readonly { readonly sequence: CachedSequence; readonly tokens: readonly number[] }[],
    signal: AbortSignal,
  ): Promise<Float32Array[]> {
    const { backend, weights, config, trace } = this.#parts;
    const spans = parts.map(({ sequence, tokens }) => {
      return { cache: sequence.cache, position: sequence.length, rows: tokens.length };
    });
    let x = rowsOf(
      weights.embedding,
      parts.flatMap(({ tokens }) => [...tokens]),
      config.hidden,
    );
    for (const [layer, { block, dense }] of weights.layers.entries()) {
      if (signal.aborted) throw new Aborted('The step was stopped', { cause: signal.reason });
      const { residual, normed, routing } = await backend.runBlock(block, x, spans);
      x = added(residual, await this.#experts({ layer, dense, normed, routing }, signal));
      trace?.({ layer, hidden: x, routing });
    }
    const last = lastRows(spans);
    const logits = await backend.runHead(weights.head, rowsOf(x, last, config.hidden), last.length);
    return parts.map((_, i) => usable(logits.slice(i * config.vocabulary, (i + 1) * config.vocabulary)));
  }

  async #experts({ layer, dense, normed, routing }: Layer, signal: AbortSignal): Promise<Float32Array> {
    const { backend, experts, config } = this.#parts;
    if (routing !== null) return await experts.apply(layer, normed, routing, signal);
    if (dense === null) throw new Error(`layer ${layer} has neither experts nor a dense part`);
    return await backend.runExpert(dense, normed, normed.length / config.hidden);
  }
}

interface Layer {
  readonly layer: number;
  readonly dense: ResidentExpert | null;
  readonly normed: Float32Array;
  readonly routing: Routing | null;
}

/** The last row of each span, where they follow one another. */
function lastRows(spans: readonly { readonly rows: number }[]): number[] {
  let end = 0;
  return spans.map(({ rows }) => {
    end += rows;
    return end - 1;
  });
}

function rowsOf(table: Float32Array, rows: readonly number[], width: number): Float32Array {
  const out = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries()) out.set(table.subarray(row * width, (row + 1) * width), i * width);
  return out;
}

/** A NaN anywhere in the pass reaches every logit; a text made from them would be a wrong answer in silence. */
function usable(logits: Float32Array): Float32Array {
  if (firstUnusable(logits) === -1) return logits;
  throw new InvalidState(
    'The model gave numbers that are none: its weights and its config.json do not belong together.',
  );
}
