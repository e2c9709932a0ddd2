/** One reply as a server generates it: from its tokens to text, channels and the end. No I/O, no clock. */
import {
  type BytesOf,
  type Channel,
  ChannelSplitter,
  type Delta,
  Detokenizer,
  type Finished,
  type FinishReason,
  StopFinder,
} from '#moe';
import type { ReplyRequest } from '../service/engine.ts';
import type { Chunk, ServerUsage, TokenLogprobs } from './completion-chunk.ts';
import { ServerAway, UnusableServer } from './faults.ts';

export interface ReplySpeech {
  /** A token's bytes; none for control tokens. */
  readonly bytesOf: BytesOf;
  /** Of prompt and reply. */
  readonly contextTokens: number;
  /** Of the server, for messages. */
  readonly address: string;
}

/**
 * Texts are made of the server's token ids, by the same steps as those of our own engine; its own text may lag behind by
 * a stop string.
 */
export class ServerReply {
  readonly #request: ReplyRequest;
  readonly #speech: ReplySpeech;
  readonly #detokenizer: Detokenizer;
  readonly #stops: StopFinder;
  readonly #channels: ChannelSplitter;
  #untold: { ids: number[]; logprobs: TokenLogprobs[] } = { ids: [], logprobs: [] };
  #tokens = 0;
  #stop: string | null = null;
  #finish: string | null = null;
  #usage: ServerUsage | null = null;
  /** Tokens that the server was told as a part of its prompt. */
  #resumed = 0;

  constructor(request: ReplyRequest, speech: ReplySpeech) {
    this.#request = request;
    this.#speech = speech;
    this.#detokenizer = new Detokenizer(speech.bytesOf);
    this.#stops = new StopFinder(request.sampling.stop);
    this.#channels = new ChannelSplitter(request.prompt.ending);
  }

  /** What was generated elsewhere; a control token among it is its end. */
  resume(ids: readonly number[]): Delta[] {
    if (ids.length === 0) return [];
    const { prompt, sampling } = this.#request;
    this.#resumed = ids.length;
    const deltas = this.#add(ids, []);
    const isEnded = this.#speech.bytesOf(ids.at(-1) ?? 0).length === 0;
    const most = Math.min(sampling.maxTokens, this.#speech.contextTokens - prompt.ids.length);
    if (this.#stop !== null || isEnded) this.#finish = 'stop';
    else if (ids.length >= most) this.#finish = 'length';
    return deltas;
  }

  /** @throws ServerAway when the reply failed, UnusableServer when it comes without token ids */
  take({ text, tokenIds, logprobs, finish, stop, usage, error }: Chunk): Delta[] {
    const { address } = this.#speech;
    if (error !== null || finish === 'error' || finish === 'abort') {
      throw new ServerAway(`the server at ${address} gave the reply up: ${error ?? `finish reason "${finish}"`}`);
    }
    if (text !== '' && tokenIds === null) throw withoutIds(address);
    const asked = this.#request.sampling.logprobs;
    if (asked !== null && logprobs.length !== (tokenIds?.length ?? 0)) throw withoutLogprobs(address);
    this.#usage = usage ?? this.#usage;
    this.#finish = finish ?? this.#finish;
    const cut = logprobs.map(({ chosen, top }) => ({ chosen, top: top.slice(0, asked ?? 0) }));
    const deltas = this.#add(tokenIds ?? [], cut);
    if (finish === 'stop') this.#stop ??= stop;
    return deltas;
  }

  #add(ids: readonly number[], logprobs: readonly TokenLogprobs[]): Delta[] {
    let certain = '';
    for (const id of ids) certain += this.#text(id);
    this.#tokens += ids.length;
    this.#untold.ids.push(...ids);
    this.#untold.logprobs.push(...logprobs);
    return this.#told(this.#channels.push(certain));
  }

  /** Of prompt and reply. */
  get tokens(): number {
    return this.#request.prompt.ids.length + this.#tokens;
  }

  /** True once the server has told that, and why, the reply ended. */
  get isWhole(): boolean {
    return this.#finish !== null;
  }

  /** The rest of a reply that the server, or somebody before that, has brought to its end. */
  end(broken: 'aborted' | 'deadline' | null, shareMs: number): (Delta | Finished)[] {
    const rest = this.#stop === null ? this.#rest() : '';
    const deltas = this.#told([...this.#channels.push(rest), ...this.#channels.end()]);
    if (this.#untold.ids.length > 0) deltas.push(this.#delta(this.#channels.channel, ''));
    const promptTokens = this.#request.prompt.ids.length;
    const finished: Finished = {
      kind: 'finished',
      reason: broken ?? this.#reason(),
      stop: broken === null ? this.#stop : null,
      promptTokens: this.#usage === null ? promptTokens : this.#usage.promptTokens - this.#resumed,
      cachedTokens: Math.min(promptTokens, this.#usage?.cachedTokens ?? 0),
      completionTokens: this.#usage === null ? this.#tokens : this.#usage.completionTokens + this.#resumed,
      shareMs,
    };
    return [...deltas, finished];
  }

  #text(id: number): string {
    if (this.#stop !== null) return '';
    const { text, stop } = this.#stops.push(this.#detokenizer.push(id));
    this.#stop = stop;
    return text;
  }

  #rest(): string {
    const { text, stop } = this.#stops.push(this.#detokenizer.end());
    this.#stop = stop;
    return stop === null ? text + this.#stops.end() : text;
  }

  #reason(): FinishReason {
    if (this.#finish !== 'length') return 'stop';
    const { prompt, sampling } = this.#request;
    return prompt.ids.length + sampling.maxTokens > this.#speech.contextTokens ? 'context' : 'length';
  }

  /** The tokens go with the first piece. */
  #told(pieces: readonly { readonly channel: Channel; readonly text: string }[]): Delta[] {
    return pieces.filter(({ text }) => text !== '').map(({ channel, text }) => this.#delta(channel, text));
  }

  #delta(channel: Channel, text: string): Delta {
    const { ids, logprobs } = this.#untold;
    this.#untold = { ids: [], logprobs: [] };
    return { kind: 'delta', text, tokenIds: ids, channel, logprobs };
  }
}

function withoutIds(address: string): UnusableServer {
  return new UnusableServer(
    `the server at ${address} gives no token ids: it takes vLLM 0.10.2 or later, or an SGLang that knows return_token_ids`,
  );
}

function withoutLogprobs(address: string): UnusableServer {
  return new UnusableServer(
    `the server at ${address} gives no log-probabilities by token id: raise its --max-logprobs, or ask for none`,
  );
}
