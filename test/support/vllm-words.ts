/** What the server in the shape of vLLM's says: tokens by a hash of what it is asked, and the text that they make. */
import type { Tokenizer } from '#tokens';

/** The body of a completion as far as the server reads it. */
export interface CompletionBody {
  readonly model: string;
  readonly prompt: readonly number[];
  readonly max_tokens: number;
  readonly temperature?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly cache_salt?: string;
  readonly logprobs?: number;
  readonly [field: string]: unknown;
}

/** What the server's own detokenizer has said: it holds back what may become a stop string. */
export class VisibleText {
  readonly #tokenizer: Tokenizer;
  readonly #stops: readonly string[];
  readonly #decoder = new TextDecoder();
  #whole = '';
  #sent = 0;
  stop: string | null = null;

  constructor(tokenizer: Tokenizer, stops: readonly string[]) {
    this.#tokenizer = tokenizer;
    this.#stops = stops;
  }

  push(id: number): string {
    this.#whole += this.#decoder.decode(this.#tokenizer.bytesOf(id), { stream: true });
    const found = this.#stops.map((stop) => ({ stop, at: this.#whole.indexOf(stop) })).filter(({ at }) => at >= 0);
    const [first] = found.toSorted((a, b) => a.at - b.at);
    this.stop = first?.stop ?? null;
    const held = Math.max(0, ...this.#stops.map(({ length }) => length - 1));
    return this.#upTo(first?.at ?? Math.max(this.#sent, this.#whole.length - held));
  }

  end(): string {
    return this.#upTo(this.#whole.length);
  }

  #upTo(end: number): string {
    const piece = this.#whole.slice(this.#sent, end);
    this.#sent = Math.max(this.#sent, end);
    return piece;
  }
}

/** A letter of the vocabulary by a hash of the last tokens, of their number, and of the seed where chance is asked for. */
export function nextToken(
  { prompt, temperature = 1, seed }: CompletionBody,
  ids: readonly number[],
  tokenizer: Tokenizer,
): number {
  const luck = temperature === 0 ? 0 : (seed ?? Math.floor(Math.random() * 2 ** 31));
  let state = (prompt.length + ids.length) ^ luck;
  for (const id of [...prompt.slice(-4), ...ids.slice(-4)]) state = Math.imul(state ^ id, 0x9e3779b1) >>> 0;
  state = Math.imul(state ^ (state >>> 15), 0x27d4eb2f) >>> 0;
  const letters = lettersOf(tokenizer);
  return letters[state % letters.length] ?? 0;
}

const letters = new WeakMap<Tokenizer, number[]>();

function lettersOf(tokenizer: Tokenizer): number[] {
  const known = letters.get(tokenizer) ?? tokenizer.encode('a e i o u b c d f g h k l m n p r s t v w é 渡');
  letters.set(tokenizer, known);
  return known;
}

export function logprobsOf({ logprobs }: CompletionBody, id: number): object | null {
  if (logprobs === undefined) return null;
  const name = `token_id:${id}`;
  return {
    tokens: [name],
    token_logprobs: [-0.5],
    top_logprobs: [{ [name]: -0.5, 'token_id:1': -1.5 }],
    text_offset: [0],
  };
}
