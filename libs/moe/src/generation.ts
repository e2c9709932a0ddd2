/** One reply as it comes into being: from logits to tokens, text, and the end. No I/O, no clock. */

import { type Channel, ChannelSplitter, type Piece } from './channels.ts';
import type { Guide } from './constraint/guide.ts';
import { type BytesOf, Detokenizer } from './detokenize.ts';
import { type Chosen, sample } from './sampler.ts';
import type { Sampling } from './sampling.ts';
import { StopFinder } from './stop.ts';

/** Why a generation ended. */
export type FinishReason = 'stop' | 'length' | 'context' | 'aborted' | 'deadline';

/** What was generated since the last delta. */
export interface Delta {
  readonly kind: 'delta';
  /** Whole characters; may lag behind the tokens. */
  readonly text: string;
  /** Every token is in exactly one delta. */
  readonly tokenIds: readonly number[];
  readonly channel: Channel;
  /** One for each of the tokens, where they were asked for. */
  readonly logprobs: readonly NonNullable<Chosen['logprobs']>[];
}

export interface Finished {
  readonly kind: 'finished';
  readonly reason: FinishReason;
  /** The stop string that was met, or null. */
  readonly stop: string | null;
  readonly promptTokens: number;
  /** Of the prompt, what need not be computed. */
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** Of the time from its place in the batch to its end, its part: each moment is shared by all that are in the batch. */
  readonly shareMs: number;
}

/** What a token, or the end of the reply, brought. */
export interface Progress {
  readonly deltas: readonly Delta[];
  /** Null as long as the reply goes on. */
  readonly over: Pick<Finished, 'reason' | 'stop'> | null;
}

/** What a generation is told of its model. */
export interface Speech {
  /** Names the model where what was computed is found again: another one never finds it. */
  readonly model: string;
  readonly bytesOf: BytesOf;
  /** Tokens that end a reply. */
  readonly endIds: ReadonlySet<number>;
  /** Prompt and reply together. */
  readonly contextTokens: number;
}

/** What is generated from. */
export interface PromptTokens {
  /** Token ids, at least one and fewer than the context holds. */
  readonly ids: readonly number[];
  /** The end of it as text: whether it opened the reasoning already. */
  readonly ending: string;
}

/** A reply under way. */
export class Generation {
  readonly #speech: Speech;
  readonly #sampling: Sampling;
  readonly #promptTokens: number;
  readonly #tokens: number[];
  readonly #anywhere: Set<number>;
  readonly #reply = new Set<number>();
  readonly #detokenizer: Detokenizer;
  readonly #stops: StopFinder;
  readonly #channels: ChannelSplitter;
  readonly #guide: Guide | null;
  #untold: { ids: number[]; logprobs: NonNullable<Chosen['logprobs']>[] } = { ids: [], logprobs: [] };

  /** @param guide keeps the reply to a form; null where it may be anything */
  constructor(prompt: PromptTokens, sampling: Sampling, speech: Speech, guide: Guide | null) {
    this.#speech = speech;
    this.#guide = guide;
    this.#sampling = sampling;
    this.#promptTokens = prompt.ids.length;
    this.#tokens = [...prompt.ids];
    this.#anywhere = new Set(sampling.repetitionPenalty === 1 ? [] : prompt.ids);
    this.#detokenizer = new Detokenizer(speech.bytesOf);
    this.#stops = new StopFinder(sampling.stop);
    this.#channels = new ChannelSplitter(prompt.ending);
  }

  /** Of prompt and reply. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  get promptTokens(): number {
    return this.#promptTokens;
  }

  get completionTokens(): number {
    return this.#tokens.length - this.#promptTokens;
  }

  /**
   * Chooses the next token by what the model says behind the last one.
   * @param logits f32 [vocabulary]
   * @throws RangeError for logits that are no numbers; ConstraintTooLarge and NothingCanFollow, the fault of this reply
   * alone
   */
  take(logits: Float32Array): Progress {
    const seen = { anywhere: this.#anywhere, reply: this.#reply };
    const place = { position: this.#tokens.length, allowed: this.#guide?.allowed(this.#tokensLeft) ?? null };
    const { id, logprobs } = sample(logits, this.#sampling, seen, place);
    if (logprobs !== null) this.#untold.logprobs.push(logprobs);
    return this.#goOn(id);
  }

  /** Takes tokens that were chosen already. Where the reply ends with one of them, those behind it are left out. */
  resume(ids: readonly number[]): Progress {
    const deltas: Delta[] = [];
    for (const id of ids) {
      // Whether it was brought to an end for want of tokens shows where they were chosen.
      this.#guide?.allowed(this.#tokensLeft);
      const { deltas: more, over } = this.#goOn(id);
      deltas.push(...more);
      if (over !== null) return { deltas, over };
    }
    return { deltas, over: null };
  }

  #goOn(id: number): Progress {
    if (!this.#speech.endIds.has(id)) this.#guide?.take(id);
    this.#tokens.push(id);
    this.#anywhere.add(id);
    this.#reply.add(id);
    this.#untold.ids.push(id);
    const { text, stop } = this.#stops.push(this.#detokenizer.push(id));
    const pieces = this.#channels.push(text);
    const reason = this.#reasonToEnd(id, stop);
    if (reason === null) return { deltas: this.#told(pieces), over: null };
    return this.#end(reason, stop, pieces);
  }

  /** Ends the reply where it is; what was held back is told. */
  break(reason: 'aborted' | 'deadline'): Progress {
    return this.#end(reason, null, []);
  }

  get #tokensLeft(): number {
    return Math.min(this.#sampling.maxTokens - this.completionTokens, this.#speech.contextTokens - this.#tokens.length);
  }

  /** Which of the two limits comes first. */
  get #scarce(): 'length' | 'context' {
    return this.#tokensLeft === this.#sampling.maxTokens - this.completionTokens ? 'length' : 'context';
  }

  #reasonToEnd(id: number, stop: string | null): FinishReason | null {
    const isWhole = stop !== null || this.#speech.endIds.has(id) || this.#guide?.isOver;
    if (isWhole && !this.#guide?.isCut) return 'stop';
    if (this.completionTokens >= this.#sampling.maxTokens) return 'length';
    if (this.#tokens.length >= this.#speech.contextTokens) return 'context';
    return isWhole ? this.#scarce : null;
  }

  #end(reason: FinishReason, stop: string | null, pieces: readonly Piece[]): Progress {
    const rest = stop === null ? this.#rest() : '';
    const all = [...pieces, ...this.#channels.push(rest), ...this.#channels.end()];
    const deltas = this.#told(all);
    if (this.#untold.ids.length > 0) deltas.push(this.#delta({ channel: this.#channels.channel, text: '' }));
    return { deltas, over: { reason, stop } };
  }

  #rest(): string {
    const { text, stop } = this.#stops.push(this.#detokenizer.end());
    return stop === null ? text + this.#stops.end() : text;
  }

  /** The tokens go with the first piece. */
  #told(pieces: readonly Piece[]): Delta[] {
    return pieces.filter(({ text }) => text !== '').map((piece) => this.#delta(piece));
  }

  #delta({ channel, text }: Piece): Delta {
    const { ids, logprobs } = this.#untold;
    this.#untold = { ids: [], logprobs: [] };
    return { kind: 'delta', text, tokenIds: ids, channel, logprobs };
  }
}
