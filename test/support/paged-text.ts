/** One text after another on a model, as its pages, for tests and benchmarks of the model itself. */
import type { BatchPart, Model } from '#moe';
import { PAGE_TOKENS } from '#moe';

const lastPages = new WeakMap<object, number>();

/** A text with pages of its own. */
export class PagedText {
  readonly #model: Pick<Model, 'step'>;
  readonly #pages: number[] = [];
  length = 0;

  constructor(model: Pick<Model, 'step'>) {
    this.#model = model;
  }

  /** These tokens as part of a batch; behind a step that went well, `length` is to be set. */
  part(tokens: readonly number[]): BatchPart {
    while (this.#pages.length * PAGE_TOKENS < this.length + tokens.length) {
      const page = (lastPages.get(this.#model) ?? 0) + 1;
      lastPages.set(this.#model, page);
      this.#pages.push(page);
    }
    return { pages: this.#pages, position: this.length, tokens };
  }

  /** @returns logits behind the last of these tokens */
  async append(tokens: readonly number[], signal: AbortSignal): Promise<Float32Array> {
    const [logits = new Float32Array()] = await this.#model.step([this.part(tokens)], signal);
    this.length += tokens.length;
    return logits;
  }
}
