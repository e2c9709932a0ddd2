import * as library from '@huggingface/tokenizers';

/** A token that was put beside a model's vocabulary, such as `<|im_end|>`. */
interface AddedToken {
  readonly content: string;
  /** Takes the white space before it, behind it; counts only where no letter touches it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly single_word: boolean;
  /** Looked for in the normalised text, not in the raw one. */
  readonly normalized: boolean;
  /** Steers the model and never shows in a text. */
  readonly special: boolean;
}

/** What is used of the library, written down here because its own declarations do not resolve as an ES module's. */
export interface Encoder {
  readonly normalizer: unknown;
  /** By id; models of byte pairs keep the words they have seen. */
  readonly model: { readonly vocab: readonly string[]; clear_cache?(): void };
  encode(text: string, options: { add_special_tokens: boolean }): { readonly ids: number[] };
  decode(ids: number[], options: { clean_up_tokenization_spaces: boolean }): string;
  get_added_tokens_decoder(): ReadonlyMap<number, AddedToken>;
  /** Ids by token. */
  get_vocab(withAddedTokens: boolean): ReadonlyMap<string, number>;
}

/**
 * @param tokenizer the parsed `tokenizer.json`
 * @param config the parsed `tokenizer_config.json`
 * @throws whatever the library throws for a file that it cannot use
 */
export function encoderOf(tokenizer: object, config: object): Encoder {
  return new library.Tokenizer(tokenizer, config);
}
