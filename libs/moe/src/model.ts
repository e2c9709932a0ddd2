import { Aborted, InvalidInput, InvalidState } from '#errors';
import type { ComputeBackend, ResidentBlock, ResidentExpert, ResidentHead, ResidentPage } from './backend.ts';
import type { BlockShape } from './block.ts';
import type { Experts } from './experts.ts';
import { PAGE_TOKENS } from './kernels/attention.ts';
import { added } from './kernels/linear.ts';
import { firstUnusable } from './kernels/number-format.ts';
import type { Routing } from './kernels/route.ts';
import type { ModelConfig } from './model-config.ts';

/** A loaded model. What it remembers of texts lies in pages of {@link PAGE_TOKENS} tokens, which its callers give out. */
export interface Model {
  readonly config: ModelConfig;
  /**
   * Computes tokens of each text and keeps their keys and values. A step that fails may be repeated.
   * @returns for each part of the batch the logits f32 [vocabulary] after its last token
   * @throws InvalidInput (a token that is none, no tokens, more than the context holds), Aborted, whatever the experts throw
   */
  step(batch: readonly BatchPart[], signal: AbortSignal): Promise<Float32Array[]>;
}

/**
 * The next tokens of one text. Its first `position` tokens are in the first of its pages; a page that these tokens go to
 * belongs to no other text. Pages are numbers of the caller's choice, and take memory from their first use on.
 */
export interface BatchPart {
  /** In the order of the text, as many as it needs with these tokens. */
  readonly pages: readonly number[];
  readonly position: number;
  readonly tokens: readonly number[];
  /** Who asked for it: of no meaning to the model, for whoever stands between. */
  readonly of?: object;
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

/** The forward pass over weights that are loaded. */
export class LoadedModel implements Model {
  readonly config: ModelConfig;
  readonly #parts: Parts;
  readonly #pages = new Map<number, ResidentPage>();

  constructor(parts: Parts) {
    this.config = parts.config;
    this.#parts = parts;
  }

  async step(batch: readonly BatchPart[], signal: AbortSignal): Promise<Float32Array[]> {
    for (const [i, part] of batch.entries()) this.#check(part, i);
    checkPages(batch);
    return batch.length === 0 ? [] : await this.#forward(batch, signal);
  }

  #check({ pages, position, tokens }: BatchPart, part: number): void {
    const { vocabulary, contextTokens } = this.config;
    const path = `batch[${part}].tokens`;
    if (tokens.length === 0) throw new InvalidInput([{ path, message: 'is empty; a step needs a token' }]);
    const wrong = tokens.findIndex((token) => !Number.isInteger(token) || token < 0 || token >= vocabulary);
    if (wrong !== -1) {
      const message = `is ${tokens[wrong]}; the model's tokens are 0 to ${vocabulary - 1}`;
      throw new InvalidInput([{ path: `${path}[${wrong}]`, message }]);
    }
    const length = position + tokens.length;
    if (length > contextTokens) {
      const message = `would make ${length} tokens; the model's context holds ${contextTokens}`;
      throw new InvalidInput([{ path, message }]);
    }
    if (length > pages.length * PAGE_TOKENS) throw new Error(`${pages.length} pages are too few for ${length} tokens`);
  }

  async #forward(parts: readonly BatchPart[], signal: AbortSignal): Promise<Float32Array[]> {
    const { backend, weights, config, trace } = this.#parts;
    const spans = parts.map(({ pages, position, tokens }) => {
      return { pages: pages.map((page) => this.#page(page)), position, rows: tokens.length };
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

  #page(number: number): ResidentPage {
    const { backend, config } = this.#parts;
    const page = this.#pages.get(number) ?? backend.openPage(config.sparse.length, blockShapeOf(config));
    this.#pages.set(number, page);
    return page;
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

/** @throws Error when a page is written by one text and seen by another: the caller's bug, and a wrong text in silence */
function checkPages(batch: readonly BatchPart[]): void {
  const readers = new Map<number, number>();
  for (const { pages } of batch) for (const page of pages) readers.set(page, (readers.get(page) ?? 0) + 1);
  for (const { pages, position, tokens } of batch) {
    const written = pages.slice(
      Math.floor(position / PAGE_TOKENS),
      Math.ceil((position + tokens.length) / PAGE_TOKENS),
    );
    const shared = written.find((page) => readers.get(page) !== 1);
    if (shared !== undefined) throw new Error(`page ${shared} is written and belongs to more than one text`);
  }
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
