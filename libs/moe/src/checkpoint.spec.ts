import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Checkpoint } from './checkpoint.ts';
import type { RandomShape } from './tiny-checkpoint.ts';
import { tinyShape, writeRandomCheckpoint } from './tiny-checkpoint.ts';

const shape: RandomShape = {
  ...tinyShape,
  hidden: 8,
  layers: 2,
  heads: 2,
  kvHeads: 1,
  headDim: 4,
  experts: 3,
  topK: 2,
};

interface Header {
  [tensor: string]: { dtype: string; shape: number[]; data_offsets: [number, number] };
}

const weights = 'model.safetensors';
const index = 'model.safetensors.index.json';
const norm = 'model.norm.weight';

let root: string;
let copies = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'argosy-checkpoint-'));
  await writeRandomCheckpoint(join(root, 'one'), shape, 1);
  await writeRandomCheckpoint(join(root, 'many'), { ...shape, files: 3 }, 1);
});
afterAll(() => rm(root, { recursive: true }));

async function copyOf(name: 'one' | 'many'): Promise<string> {
  const folder = join(root, `copy-${++copies}`);
  await cp(join(root, name), folder, { recursive: true });
  return folder;
}

async function changeJson(file: string, change: (json: Record<string, unknown>) => unknown): Promise<void> {
  await writeFile(file, JSON.stringify(change(JSON.parse(await readFile(file, 'utf8')))));
}

async function readSafetensors(file: string): Promise<{ header: Header; data: Buffer }> {
  const bytes = await readFile(file);
  const length = Number(bytes.readBigUInt64LE());
  return { header: JSON.parse(bytes.toString('utf8', 8, 8 + length)), data: bytes.subarray(8 + length) };
}

async function writeSafetensors(file: string, header: unknown, data: Buffer): Promise<void> {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  await writeFile(file, Buffer.concat([length, text, data]));
}

async function changeHeader(file: string, change: (header: Header) => unknown): Promise<void> {
  const { header, data } = await readSafetensors(file);
  await writeSafetensors(file, change(header) ?? header, data);
}

function entry(header: Header, name: string) {
  const found = header[name];
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

/** A change of the header: other fields of one tensor. */
function normWith(fields: Partial<Header[string]>): (header: Header) => unknown {
  return (header) => ({ ...header, [norm]: { ...entry(header, norm), ...fields } });
}

/** Overwrites the third number of a tensor. */
async function poison(folder: string, name: string, bits: number): Promise<void> {
  const { header, data } = await readSafetensors(join(folder, weights));
  data.writeUInt16LE(bits, entry(header, name).data_offsets[0] + 4);
  await writeSafetensors(join(folder, weights), header, data);
}

describe('a checkpoint', () => {
  it('gives the same numbers from one file and from many', async () => {
    const [one, many] = [await Checkpoint.open(join(root, 'one')), await Checkpoint.open(join(root, 'many'))];
    expect(many.tensors.map(({ name }) => name).toSorted()).toEqual(one.tensors.map(({ name }) => name).toSorted());
    for (const { name } of one.tensors) expect(await many.tensor(name)).toEqual(await one.tensor(name));
    expect(await many.expert(1, 2)).toEqual(await one.expert(1, 2));
    expect((await one.expert(0, 0)).gate).not.toEqual((await one.expert(0, 1)).gate);
    await Promise.all([one.close(), many.close()]);
  });

  it('hashes an expert as it is stored', async () => {
    const checkpoint = await Checkpoint.open(join(root, 'one'));
    const { header, data } = await readSafetensors(join(root, 'one', weights));
    const hash = createHash('sha256');
    for (const part of ['gate', 'up', 'down']) {
      hash.update(data.subarray(...entry(header, `model.layers.1.mlp.experts.2.${part}_proj.weight`).data_offsets));
    }
    expect(Buffer.from(await checkpoint.expertSha256(1, 2)).toString('hex')).toBe(hash.digest('hex'));
    await checkpoint.close();
  });

  it('reads packed experts like those in tensors of their own', async () => {
    const folder = await copyOf('one');
    await changeToPacked(join(folder, weights));
    const [packed, apart] = [await Checkpoint.open(folder), await Checkpoint.open(join(root, 'one'))];
    for (const [layer, expert] of [
      [0, 0],
      [0, 2],
      [1, 1],
    ] as const) {
      expect(await packed.expert(layer, expert)).toEqual(await apart.expert(layer, expert));
      expect(await packed.expertSha256(layer, expert)).toEqual(await apart.expertSha256(layer, expert));
    }
    await Promise.all([packed.close(), apart.close()]);
  });

  it('reads an expert without a look at its neighbours', async () => {
    const folder = await copyOf('one');
    await poison(folder, 'model.layers.0.mlp.experts.1.up_proj.weight', 0x7fc0);
    const checkpoint = await Checkpoint.open(folder);
    await checkpoint.expert(0, 0);
    await checkpoint.expert(0, 2);
    await expect(checkpoint.expert(0, 1)).rejects.toThrow(
      /model\.safetensors: tensor model\.layers\.0\.mlp\.experts\.1\.up_proj\.weight holds NaN at 2; it is damaged/,
    );
    await checkpoint.close();
  });

  it.each([
    [0, 3, /no expert 3: layer 0 of .* has 0 to 2/],
    [0, -1, /no expert -1/],
    [0, 0.5, /no expert 0\.5/],
    [2, 0, /Layer 2 of .* has no experts/],
  ])('knows no expert (%d, %d)', async (layer, expert, message) => {
    const checkpoint = await Checkpoint.open(join(root, 'one'));
    await expect(checkpoint.expert(layer, expert)).rejects.toMatchObject({ code: 'not_found' });
    await expect(checkpoint.expertSha256(layer, expert)).rejects.toThrow(message);
    await expect(checkpoint.tensor('model.none')).rejects.toMatchObject({ code: 'not_found' });
    await checkpoint.close();
  });

  it('takes the ends of replies from generation_config.json, else from config.json', async () => {
    const folder = await copyOf('one');
    const opened = async () => {
      const checkpoint = await Checkpoint.open(folder);
      await checkpoint.close();
      return checkpoint.generation;
    };
    const generation = join(folder, 'generation_config.json');
    await writeFile(generation, JSON.stringify({ eos_token_id: [3, 5], temperature: 0.6, top_p: 0.95, top_k: 20 }));
    expect(await opened()).toEqual({ eosTokens: [3, 5], temperature: 0.6, topP: 0.95, topK: 20 });
    await rm(generation);
    expect(await opened()).toEqual({ eosTokens: [258] });
  });

  it('has a tokenizer that knows bytes and control tokens', async () => {
    const checkpoint = await Checkpoint.open(join(root, 'one'));
    const tokenizer = await checkpoint.tokenizer();
    expect(tokenizer.size).toBe(checkpoint.config.vocabulary);
    const ids = tokenizer.encode('<|im_start|>Zoë 🚀<|im_end|>');
    expect(ids.length).toBe(1 + 9 + 1);
    expect(tokenizer.decode(ids)).toBe('<|im_start|>Zoë 🚀<|im_end|>');
    const chat = tokenizer.renderChat([{ role: 'user', content: 'U' }], { addGenerationPrompt: true });
    expect(chat).toBe('<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n');
    await checkpoint.close();
  });

  it('refuses a tokenizer with more tokens than the model has', async () => {
    const folder = await copyOf('one');
    await changeJson(join(folder, 'tokenizer.json'), ({ added_tokens: added, ...json }) => {
      return { ...json, added_tokens: [...(added as object[]), { id: 300, content: '<|more|>', special: true }] };
    });
    const checkpoint = await Checkpoint.open(folder);
    await expect(checkpoint.tokenizer()).rejects.toThrow(
      /tokenizer\.json: has token ids up to 300; vocab_size .* is 265/,
    );
    await checkpoint.close();
  });

  it.each([
    ['NaN', 0x7fc0],
    ['Infinity', 0x7f80],
    ['-Infinity', 0xff80],
  ])('refuses a weight that is %s', async (told, bits) => {
    const folder = await copyOf('one');
    await poison(folder, norm, bits);
    const checkpoint = await Checkpoint.open(folder);
    await expect(checkpoint.tensor(norm)).rejects.toMatchObject({
      code: 'validation_failed',
      message: expect.stringMatching(new RegExp(`tensor model\\.norm\\.weight holds ${told} at 2`)),
    });
    await checkpoint.close();
  });

  it('says so when a file is cut while it is open', async () => {
    const folder = await copyOf('one');
    const checkpoint = await Checkpoint.open(folder);
    await truncate(join(folder, weights), 5_000);
    await expect(checkpoint.expert(1, 2)).rejects.toThrow(/model\.safetensors: is cut short: nothing is left at \d+/);
    await checkpoint.close();
  });
});

describe('a checkpoint is refused for', () => {
  const refused = async (folder: string, message: RegExp) => {
    await expect(Checkpoint.open(folder)).rejects.toMatchObject({
      code: 'validation_failed',
      message: expect.stringMatching(message),
    });
  };

  it('a folder that is not there', () =>
    refused(join(root, 'none'), /none\/config\.json: is not there; give the folder/));

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['an unknown architecture', { architectures: ['LlamaForCausalLM'] }, /config\.json: architectures is \["LlamaF/],
    ['an unknown type', { model_type: 'qwen2' }, /config\.json: model_type is "qwen2"/],
    ['no theta', { rope_theta: undefined }, /rope_theta is missing \(rope_parameters\.rope_theta is taken, too\)/],
    [
      'two thetas',
      { rope_parameters: { rope_theta: 7 } },
      /rope_theta is 10000, while rope_parameters\.rope_theta is 7/,
    ],
    ['no experts', { num_experts: undefined }, /num_experts is missing/],
    ['two counts of experts', { num_local_experts: 4 }, /num_local_experts is 4, while num_experts is 3/],
    ['more experts per token than there are', { num_experts_per_tok: 4 }, /num_experts_per_tok is more than the 3/],
    ['stretched positions', { rope_scaling: { type: 'yarn' } }, /rope_scaling is \{"type":"yarn"\}/],
    ['weights of fewer bits', { quantization_config: { bits: 4 } }, /quantization_config is \{"bits":4\}/],
    ['a sliding window', { use_sliding_window: true }, /use_sliding_window is true/],
    ['biases', { attention_bias: true }, /attention_bias is true/],
    ['another activation', { hidden_act: 'gelu' }, /hidden_act is "gelu"/],
    ['heads that do not divide', { num_key_value_heads: 3 }, /num_key_value_heads is 3, which does not divide/],
    ['a width that is a word', { hidden_size: 'wide' }, /hidden_size is "wide"/],
    ['an absurd depth', { num_hidden_layers: 1e12 }, /num_hidden_layers is 1000000000000/],
    [
      'a dense layer without its width',
      { mlp_only_layers: [1], intermediate_size: undefined },
      /intermediate_size is m/,
    ],
    ['an end that is no token', { eos_token_id: 999 }, /eos_token_id is not below vocab_size, 265/],
    ['an odd head', { head_dim: 5 }, /head_dim is 5; rotary/],
    [
      'another shape than its tensors',
      { hidden_size: 16 },
      /norm\.weight has shape \[8\]; config\.json makes it \[16\]/,
    ],
    [
      'a million experts',
      { num_experts: 65_536, num_hidden_layers: 1_024 },
      /has no tensor model\.layers\.2\..*\nand more$/s,
    ],
  ])('%s', async (_case, fields, message) => {
    const folder = await copyOf('one');
    await changeJson(join(folder, 'config.json'), (json) => ({ ...json, ...fields }));
    await refused(folder, message);
  });

  it('every fault of its configuration at once', async () => {
    const folder = await copyOf('one');
    await changeJson(join(folder, 'config.json'), (json) => ({ ...json, hidden_act: 'x', vocab_size: -1 }));
    await refused(folder, /vocab_size is -1.*\n.*hidden_act is "x"/);
  });

  it.each<[string, (header: Header) => unknown, RegExp]>([
    ['tensors that share bytes', normWith({ data_offsets: [0, 16] }), /tensor .* begins 16 bytes before/],
    [
      'bytes of no tensor',
      ({ [norm]: _, ...others }) => others,
      /has 16 bytes before tensor lm_head\.weight that belong to none/,
    ],
    ['a length that its shape does not have', normWith({ shape: [9] }), /has 16 bytes; BF16 of shape \[9\] takes 18/],
    ['an end before the beginning', normWith({ data_offsets: [9, 3] }), /ends at 3, before its beginning at 9/],
    ['an offset below nothing', normWith({ data_offsets: [-9, 7] }), /header that cannot be used/],
    ['tensors beyond its end', normWith({ data_offsets: [1e15, 1e15 + 16] }), /belong to none/],
    ['an absurd shape', normWith({ shape: [2 ** 50, 2 ** 50] }), /takes 2\.5\d*e\+30/],
    ['an unknown dtype', normWith({ dtype: 'Q9' }), /norm\.weight has the unknown dtype "Q9"/],
    ['a dtype that it cannot read', normWith({ dtype: 'I16' }), /has dtype I16; BF16, F16, F32 can be read/],
    ['a tensor of another name', (h) => rename(h, norm, 'model.morn.weight'), /has no tensor model\.norm\.weight/],
    ['a header that is no object', () => [], /header that is no object/],
    ['a header that is no JSON', () => '{"a":', /header that is not JSON/],
  ])('%s', async (_case, change, message) => {
    const folder = await copyOf('one');
    await changeHeader(join(folder, weights), change);
    await refused(folder, message);
  });

  it.each<[string, number | null, RegExp]>([
    ['a file that is not there', null, /model\.safetensors: cannot be opened: ENOENT/],
    ['an empty file', 0, /has 0 bytes; even the length of a header takes 8/],
    ['a file that ends in its header', 100, /is cut short: a header of \d+ bytes is announced, and the file has 100/],
    ['a file that ends in its numbers', 9_000, /is cut short: its tensors end at \d+, and the file has 9000 bytes/],
    ['a file that goes on', 100_000, /has \d+ bytes behind its last tensor/],
  ])('%s', async (_case, length, message) => {
    const folder = await copyOf('one');
    if (length === null) await rm(join(folder, weights));
    else await truncate(join(folder, weights), length);
    await refused(folder, message);
  });

  it('a header of absurd length, and a folder in place of a file', async () => {
    const folder = await copyOf('one');
    await writeFile(join(folder, weights), Buffer.alloc(64, 0xff));
    await refused(folder, /claims a header of 18446744073709551615 bytes; it is no safetensors file/);
    await rm(join(folder, weights));
    await mkdir(join(folder, weights));
    await refused(folder, /model\.safetensors: is not a file/);
  });

  it.each<[string, unknown, RegExp]>([
    ['a file outside its folder', '../one/model.safetensors', /must be a \.safetensors file beside it/],
    ['an absolute path', '/etc/model.safetensors', /must be a \.safetensors file beside it/],
    ['a hidden file', '.model.safetensors', /must be a \.safetensors file beside it/],
    ['a pickle', 'model.bin', /weight_map\.model\.norm\.weight names "model\.bin"/],
    ['a file that is not there', 'model-9.safetensors', /model-9\.safetensors: cannot be opened/],
    [
      'a file that has no such tensor',
      'model-00001-of-00003.safetensors',
      /has model\.norm\.weight in .*no such tensor/,
    ],
    ['a number', 4, /Invalid input/],
  ])('an index that names %s', async (_case, file, message) => {
    const folder = await copyOf('many');
    await changeJson(join(folder, index), (json) => {
      return { weight_map: { ...(json['weight_map'] as object), [norm]: file } };
    });
    await refused(folder, message);
  });

  it.each<[string, string, RegExp]>([
    ['index that is no JSON', index, /index\.json: is not JSON/],
    ['configuration that is no JSON', 'config.json', /config\.json: is not JSON/],
    ['defaults that are no JSON', 'generation_config.json', /generation_config\.json: is not JSON/],
  ])('an %s', async (_case, file, message) => {
    const folder = await copyOf('many');
    await writeFile(join(folder, file), '{');
    await refused(folder, message);
  });

  it.each<[object, RegExp]>([
    [{ temperature: -1 }, /generation_config\.json: .*at temperature/s],
    [{ temperature: 50 }, /at temperature/],
    [{ top_p: 7 }, /at top_p/],
    [{ top_p: 0 }, /at top_p/],
    [{ repetition_penalty: 0.001 }, /at repetition_penalty/],
    [{ eos_token_id: 265 }, /eos_token_id is not below vocab_size of config\.json, 265/],
  ])('defaults of generation %j', async (fields, message) => {
    const folder = await copyOf('one');
    await writeFile(join(folder, 'generation_config.json'), JSON.stringify(fields));
    await refused(folder, message);
  });
});

function rename(header: Header, from: string, to: string): object {
  return Object.fromEntries(Object.entries(header).map(([name, value]) => [name === from ? to : name, value]));
}

/** The experts of each layer in two tensors, as transformers 5 holds them. */
async function changeToPacked(file: string): Promise<void> {
  const { header, data } = await readSafetensors(file);
  const parts: { name: string; shape: number[]; bytes: Buffer }[] = [];
  const bytesOf = (name: string) => data.subarray(...entry(header, name).data_offsets);
  for (const [name, { shape: own }] of Object.entries(header)) {
    if (name !== '__metadata__' && !name.includes('.experts.')) parts.push({ name, shape: own, bytes: bytesOf(name) });
  }
  const { layers, experts, expertWidth, hidden } = shape;
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `model.layers.${layer}.mlp.experts`;
    const of = (kinds: readonly string[]) =>
      Array.from({ length: experts }, (_, e) =>
        kinds.map((kind) => bytesOf(`${prefix}.${e}.${kind}_proj.weight`)),
      ).flat();
    const gateUp = Buffer.concat(of(['gate', 'up']));
    parts.push({ name: `${prefix}.gate_up_proj`, shape: [experts, 2 * expertWidth, hidden], bytes: gateUp });
    parts.push({
      name: `${prefix}.down_proj`,
      shape: [experts, hidden, expertWidth],
      bytes: Buffer.concat(of(['down'])),
    });
  }
  let end = 0;
  const packed = parts.map(({ name, shape: own, bytes }) => {
    const start = end;
    end += bytes.length;
    return [name, { dtype: 'BF16', shape: own, data_offsets: [start, end] }];
  });
  await writeSafetensors(file, Object.fromEntries(packed), Buffer.concat(parts.map(({ bytes }) => bytes)));
}
