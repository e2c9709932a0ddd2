import type { ChatOptions, ChatTemplate, TemplateMessage } from './chat-template.ts';
import type { Encoder } from './encoder.ts';
import { type Cut, exactCut } from './pieces.ts';
import { tokenBytes } from './token-bytes.ts';

/**
 * A model's tokenizer and chat template, as its server applies them. Control tokens written in a text are encoded as
 * control tokens, so that a rendered prompt is; text from outside is made harmless where it enters a message.
 */
export interface Tokenizer {
  /** One more than the largest id. */
  readonly size: number;
  /** Tokens of a text. Cost O(characters log characters) at worst, some 5 µs a token; holds the event loop. */
  count(text: string): number;
  /** Nothing is put in front or behind. */
  encode(text: string): number[];
  decode(ids: readonly number[]): string;
  /**
   * The bytes that a token adds to a text, which may begin or end inside a character; none for control tokens.
   * @throws InvalidInput where the vocabulary is not byte-level
   */
  bytesOf(id: number): Uint8Array;
  /**
   * Cuts a text into pieces whose ids, one after another, are those of the whole: at control tokens, so that the pieces
   * of a longer history begin with those of a shorter one, and at about every 4,096 characters where words end. One
   * piece for a tokenizer that allows no cut.
   */
  pieces(text: string): string[];
  /** @throws InvalidInput when the template refuses the messages */
  renderChat(messages: readonly TemplateMessage[], options: ChatOptions): string;
}

/**
 * The encoder keeps words it has seen, and when 10,000 are kept each further look costs up to 27 µs in place of two;
 * this many characters hold fewer.
 */
const CHARACTERS_KEPT = 65_536;

/**
 * @param template of the same model
 * @param file where the vocabulary stands, for messages
 */
export function tokenizerOf(encoder: Encoder, template: ChatTemplate, file: string): Tokenizer {
  let kept = 0;
  const encode = (text: string): number[] => {
    kept += text.length;
    if (kept > CHARACTERS_KEPT) {
      encoder.model.clear_cache?.();
      kept = text.length;
    }
    return encoder.encode(text, { add_special_tokens: false }).ids;
  };
  let bytesOf: ((id: number) => Uint8Array) | undefined;
  const cut: Cut = exactCut(encode, controlsOf(encoder));
  const added = [...encoder.get_added_tokens_decoder().keys()];
  return {
    size: added.reduce((most, id) => Math.max(most, id + 1), encoder.model.vocab.length),
    count: (text) => cut(text).reduce((sum, piece) => sum + encode(piece).length, 0),
    encode: (text) => cut(text).flatMap(encode),
    decode: (ids) => (ids.length === 0 ? '' : encoder.decode([...ids], { clean_up_tokenization_spaces: false })),
    bytesOf: (id) => {
      bytesOf ??= tokenBytes(encoder, file);
      return bytesOf(id);
    },
    pieces: cut,
    renderChat: (messages, options) => template.render(messages, options),
  };
}

/** Those that are found in the raw text and take no white space from beside them. */
function controlsOf(encoder: Encoder): string[] {
  const tokens = [...encoder.get_added_tokens_decoder().values()];
  const apart = tokens.every(({ lstrip, rstrip, single_word: alone }) => !lstrip && !rstrip && !alone);
  if (!apart) return [];
  return tokens.filter(({ normalized }) => !normalized || encoder.normalizer === null).map(({ content }) => content);
}
