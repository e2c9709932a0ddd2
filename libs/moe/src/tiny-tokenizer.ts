/** A tokenizer without a single merge: each byte is a token, and so is each control word of the ChatML family. */

const CONTROLS = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'];
const TAGS = ['<think>', '</think>', '<tool_call>', '</tool_call>', '<tool_response>', '</tool_response>'];

/** Each message between control tokens. */
export const chatTemplate = `{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
`;

/** `json` is a `tokenizer.json`; `eos` ends a reply. */
export function byteTokenizer(): { readonly json: object; readonly size: number; readonly eos: number } {
  const letters = byteLetters();
  const added = [...CONTROLS, ...TAGS].map((content, i) => {
    const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false };
    return { id: letters.length + i, content, ...plain, special: CONTROLS.includes(content) };
  });
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false };
  const vocab = Object.fromEntries(letters.map((letter, byte) => [letter, byte]));
  const json = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: byteLevel,
    decoder: byteLevel,
    model: { type: 'BPE', dropout: null, unk_token: null, byte_fallback: false, vocab, merges: [] },
  };
  return { json, size: letters.length + added.length, eos: letters.length + CONTROLS.indexOf('<|im_end|>') };
}

/** Byte-level tokenizers write each byte as one visible letter: Latin-1's own, and U+0100 upwards for the others. */
function byteLetters(): string[] {
  let others = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const visible = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCharCode(visible ? byte : 256 + others++);
  });
}
