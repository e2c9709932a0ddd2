import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type TokenizerFiles, tokenizerFiles, tokenizerFolder } from '../../../test/support/tokenizer-folder.ts';
import { encoderOf } from './encoder.ts';
import { loadTokenizer } from './load.ts';
import type { Tokenizer } from './tokenizer.ts';

const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc
    .array(
      fc.constantFrom(
        ' ',
        '  ',
        '\n',
        '\n\n',
        '\r\n',
        '\t',
        'word',
        'Words',
        "it's",
        '12345',
        '.',
        '...',
        '{',
        '};',
        '研究报告',
        'é',
        'e\u0301',
        '👩‍🚀',
        '\ud800',
        '\u00a0',
        '<|im_start|>',
        '<|im_end|>',
        '<think>',
        '</think>',
        '<|',
        '|>',
        'ſ',
        '²',
      ),
      { maxLength: 60 },
    )
    .map((parts) => parts.join('')),
);

describe('a tokenizer as models are published with', () => {
  let files: TokenizerFiles;
  let tokenizer: Tokenizer;
  let inOnePiece: (text: string) => number[];

  const folders: string[] = [];
  const folderOf = async (changed: Partial<TokenizerFiles>): Promise<string> => {
    const folder = await tokenizerFolder(changed);
    folders.push(folder);
    return folder;
  };

  afterAll(async () => {
    await Promise.all(folders.map((folder) => rm(folder, { recursive: true })));
  });

  beforeAll(async () => {
    files = await tokenizerFiles();
    tokenizer = await loadTokenizer(await folderOf(files));
    const encoder = encoderOf(files.tokenizer, files.config);
    inOnePiece = (text) => encoder.encode(text, { add_special_tokens: false }).ids;
  });

  it('gives back every well-formed text that it encoded, in the form that its normalizer makes of it', () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text.toWellFormed().normalize('NFC'));
      }),
    );
  });

  it('knows the bytes of each token, which joined are those of the text', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const ids = tokenizer.encode(text).filter((id) => tokenizer.bytesOf(id).length > 0);
        const bytes = Buffer.concat(ids.map((id) => tokenizer.bytesOf(id)));
        expect(bytes.toString()).toBe(
          text
            .toWellFormed()
            .normalize('NFC')
            .replace(/<\|im_(start|end)\|>/g, ''),
        );
      }),
    );
    expect(tokenizer.encode('<|im_end|>').map((id) => tokenizer.bytesOf(id).length)).toEqual([0]);
    expect(tokenizer.bytesOf(1e9)).toHaveLength(0);
  });

  it('refuses to tell the bytes of a vocabulary that is not byte-level', async () => {
    const vocab = { '▁word': 0 };
    const model = { type: 'BPE', unk_token: null, byte_fallback: false, vocab, merges: [] };
    const other = await loadTokenizer(await folderOf({ tokenizer: { ...files.tokenizer, added_tokens: [], model } }));
    expect(() => other.bytesOf(0)).toThrow(/tokenizer\.json: is not a byte-level vocabulary: its token "▁word"/);
  });

  it('encodes control tokens as one token each, and what only looks like one as text', () => {
    expect(tokenizer.count('<|im_start|><think><|im_end|>')).toBe(3);
    expect(tokenizer.count('‹|im_start|>')).toBeGreaterThan(3);
    expect([tokenizer.count(''), tokenizer.decode([])]).toEqual([0, '']);
  });

  it('has the ids of a long text in pieces, one after another, be those of the whole', () => {
    const prose = fc.array(texts, { minLength: 200, maxLength: 260 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(prose, (text) => {
        const pieces = tokenizer.pieces(text);
        expect(pieces.join('')).toBe(text);
        expect(pieces.flatMap((piece) => inOnePiece(piece))).toEqual(inOnePiece(text));
      }),
      { numRuns: 20 },
    );
    const page = `${'Some words of a page, again.\n'.repeat(1_000)}`;
    expect(tokenizer.pieces(page).length).toBeGreaterThan(5);
    expect(tokenizer.encode(page)).toEqual(inOnePiece(page));
  });

  it('begins the pieces of a longer prompt with those of a shorter one', () => {
    const turn = (n: number) => ({ role: n % 2 === 0 ? 'user' : 'assistant', content: `Turn ${n}. `.repeat(900) });
    const pieces = (turns: number) => {
      const messages = Array.from({ length: turns }, (_, n) => turn(n));
      return tokenizer.pieces(tokenizer.renderChat(messages, { addGenerationPrompt: false }));
    };
    expect(pieces(6).slice(0, pieces(4).length)).toEqual(pieces(4));
  });

  it('cuts nothing where the encoder treats the start of a text apart', async () => {
    const spaced = { ...files.tokenizer, normalizer: { type: 'Prepend', prepend: '_' } };
    const apart = await loadTokenizer(await folderOf({ ...files, tokenizer: spaced }));
    const text = 'Some words, again and again.\n'.repeat(1_000);
    expect(apart.pieces(text)).toEqual([text]);
  });

  it('renders messages, tools and the start of a reply by the template', () => {
    const messages = [
      { role: 'system', content: 'S' },
      { role: 'user', content: 'U' },
    ];
    const tools = [{ type: 'function', function: { name: 'search' } }];
    expect(tokenizer.renderChat(messages, { tools, addGenerationPrompt: true })).toBe(
      '<|im_start|>system\nS\n\nFunctions that can be called, one JSON object a line:\n' +
        '{"type": "function", "function": {"name": "search"}}<|im_end|>\n' +
        '<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n',
    );
    expect(tokenizer.renderChat(messages, { tools: [], addGenerationPrompt: false })).toBe(
      '<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n',
    );
  });

  it('takes the template with tools from a list of templates, and special tokens by name', async () => {
    const config = {
      chat_template: [
        { name: 'default', template: 'plain{{ eos_token }}' },
        { name: 'tool_use', template: 'tools{{ eos_token }}' },
      ],
      eos_token: { content: '<|im_end|>', special: true },
    };
    const folder = await folderOf(files);
    await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
    const listed = await loadTokenizer(folder);
    expect(listed.renderChat([], { addGenerationPrompt: true })).toBe('plain<|im_end|>');
    expect(listed.renderChat([], { tools: [{}], addGenerationPrompt: true })).toBe('tools<|im_end|>');
    await writeFile(join(folder, 'chat_template.jinja'), 'beside');
    expect((await loadTokenizer(folder)).renderChat([], { addGenerationPrompt: true })).toBe('beside');
  });

  it('says why a template refused messages', async () => {
    const chatTemplate = "{{ raise_exception('System role not supported') }}";
    const strict = await loadTokenizer(await folderOf({ ...files, chatTemplate }));
    expect(() => strict.renderChat([], { addGenerationPrompt: true })).toThrow(
      /tokenizer_config\.json: the chat template refused these messages: System role not supported/,
    );
  });

  it.each([
    ['a folder that is not there', {}, /tokenizer\.json: is not there/],
    ['JSON that is cut', { 'tokenizer.json': '{"model":' }, /tokenizer\.json: is not JSON/],
    ['a list', { 'tokenizer.json': '[]' }, /tokenizer\.json: .*expected record/],
    [
      'an unknown kind of model',
      { 'tokenizer.json': '{"model":{"type":"Oracle"}}' },
      /tokenizer\.json: holds no token/,
    ],
    ['no tokenizer_config.json', { 'tokenizer_config.json': null }, /tokenizer_config\.json: is not there/],
    ['no chat template', { 'tokenizer_config.json': '{}' }, /tokenizer_config\.json: has no chat_template/],
    ['no default template', { 'tokenizer_config.json': '{"chat_template":[]}' }, /none called "default"/],
    ['a template of another kind', { 'tokenizer_config.json': '{"chat_template":1}' }, /at chat_template/],
    ['a template that does not parse', { 'chat_template.jinja': '{% if %}' }, /\.jinja: the chat template cannot/],
  ])('names file and fault: %s', async (_case, changes, message) => {
    const folder = Object.keys(changes).length === 0 ? '/nowhere' : await folderOf(files);
    await Promise.all(Object.entries(changes).map(([name, text]) => replace(join(folder, name), text)));
    await expect(loadTokenizer(folder)).rejects.toMatchObject({
      code: 'validation_failed',
      message: expect.stringMatching(message),
    });
  });
});

async function replace(file: string, text: string | null): Promise<void> {
  if (text === null) await rm(file);
  else await writeFile(file, text);
}
