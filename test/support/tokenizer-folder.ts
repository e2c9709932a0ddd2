/** A small tokenizer of our own, in the form in which models like Qwen's are published. */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export interface TokenizerFiles {
  /** Parsed contents of `tokenizer.json`. */
  readonly tokenizer: object;
  /** Parsed contents of `tokenizer_config.json`, without its chat template. */
  readonly config: object;
  readonly chatTemplate: string;
}

/** How Qwen's tokenizers part a text before byte pairs are merged. */
const SPLIT =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const CONTROLS = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'];
const TAGS = ['<think>', '</think>', '<tool_call>', '</tool_call>', '<tool_response>', '</tool_response>'];

/** ChatML: each message between its control tokens, tools told in the system message, results of tools as the user's. */
export const CHATML = `{%- set first = messages[0] if messages and messages[0].role == 'system' else none %}
{%- if first or tools %}
{{- '<|im_start|>system\\n' }}
{{- first.content if first else '' }}
{%- if tools %}
{{- '\\n\\nFunctions that can be called, one JSON object a line:' }}
{%- for tool in tools %}{{- '\\n' + tool | tojson }}{%- endfor %}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'assistant' %}
{{- '<|im_start|>assistant\\n' + message.content }}
{%- for call in message.tool_calls or [] %}
{{- '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments if call.function.arguments is string else call.function.arguments | tojson }}
{{- '}\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- elif message.role == 'tool' %}
{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
{%- elif message.role == 'user' or not loop.first %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
`;

/** Pages of this repository as they once were: what tests expect of a seed must not change with what a page says. */
const pages = resolve(import.meta.dirname, '../golden/tokenizer/pages.txt');

/** Merges are learnt from pages. Costs about a second. */
export async function tokenizerFiles(merges = 400): Promise<TokenizerFiles> {
  const learnt = learnMerges(await readFile(pages, 'utf8'), merges);
  const words = [...byteLetters().toSorted(), ...learnt.map((pair) => pair.join(''))];
  const vocab = Object.fromEntries(words.map((word, id) => [word, id]));
  const added = [...CONTROLS, ...TAGS].map((content, i) => {
    const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false };
    return { id: words.length + i, content, ...plain, special: CONTROLS.includes(content) };
  });
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false };
  const split = { type: 'Split', pattern: { Regex: SPLIT }, behavior: 'Isolated', invert: false };
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: { type: 'NFC' },
    pre_tokenizer: { type: 'Sequence', pretokenizers: [split, byteLevel] },
    post_processor: byteLevel,
    decoder: byteLevel,
    model: { type: 'BPE', dropout: null, unk_token: null, byte_fallback: false, vocab, merges: learnt },
  };
  return { tokenizer, config: { eos_token: '<|im_end|>', bos_token: null }, chatTemplate: CHATML };
}

let small: Promise<TokenizerFiles> | undefined;

/** @returns a new folder below the system's temporary one, which the caller removes */
export async function tokenizerFolder(changes: Partial<TokenizerFiles> = {}): Promise<string> {
  small ??= tokenizerFiles();
  const { tokenizer, config, chatTemplate } = { ...(await small), ...changes };
  const folder = await mkdtemp(join(tmpdir(), 'argosy-tokenizer-'));
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  const whole = { ...config, chat_template: chatTemplate };
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(whole));
  return folder;
}

/** Byte-level tokenizers write each byte as one visible letter: Latin-1's own, and U+0100 upwards for the others. */
function byteLetters(): string[] {
  let others = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const visible = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCharCode(visible ? byte : 256 + others++);
  });
}

/** The most frequent pair is joined, again and again; of equals the one that was met first. */
function learnMerges(text: string, merges: number): [string, string][] {
  const letters = byteLetters();
  const pattern = /[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/gu;
  const counts = new Map<string, number>();
  for (const [word] of text.matchAll(pattern)) counts.set(word, (counts.get(word) ?? 0) + 1);
  let words = [...counts].map(([word, count]) => {
    return { parts: [...Buffer.from(word)].map((byte) => letters[byte] ?? ''), count };
  });
  const learnt: [string, string][] = [];
  for (let merge = 0; merge < merges; merge++) {
    const pair = mostFrequent(words);
    if (!pair) break;
    learnt.push(pair);
    words = words.map(({ parts, count }) => ({ parts: joined(parts, pair), count }));
  }
  return learnt;
}

function mostFrequent(words: readonly { parts: readonly string[]; count: number }[]): [string, string] | undefined {
  const pairs = new Map<string, { pair: [string, string]; count: number }>();
  for (const { parts, count } of words) {
    for (const [i, left] of parts.slice(0, -1).entries()) {
      const right = parts[i + 1] ?? '';
      const seen = pairs.get(`${left} ${right}`);
      if (seen) seen.count += count;
      else pairs.set(`${left} ${right}`, { pair: [left, right], count });
    }
  }
  let best: { pair: [string, string]; count: number } | undefined;
  for (const one of pairs.values()) if (one.count > (best?.count ?? 1)) best = one;
  return best?.pair;
}

function joined(parts: readonly string[], [left, right]: readonly [string, string]): string[] {
  const whole: string[] = [];
  for (let i = 0; i < parts.length; i++) {
    const here = parts[i] ?? '';
    const joins = here === left && parts[i + 1] === right;
    whole.push(joins ? here + right : here);
    if (joins) i++;
  }
  return whole;
}
