/** Small random models in the published layout, for tests and demonstrations: they load like real ones and talk nonsense. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InvalidInput } from '#errors';
import { encodeBf16 } from './kernels/number-format.ts';
import { expertTensors, sharedTensors, type WantedTensor } from './layout.ts';
import { parseModelConfig } from './model-config.ts';
import { byteTokenizer, chatTemplate } from './tiny-tokenizer.ts';

/** What may be chosen of a random model; the rest is as in {@link tinyShape}. */
export interface RandomShape {
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly experts: number;
  readonly topK: number;
  readonly expertWidth: number;
  readonly normTopK: boolean;
  readonly contextTokens: number;
  /** Over so many files the tensors are spread; one file has no index. */
  readonly files: number;
}

/** 0.6 million parameters, 1.2 MB. */
export const tinyShape: RandomShape = {
  hidden: 64,
  layers: 4,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  experts: 16,
  topK: 4,
  expertWidth: 32,
  normTopK: true,
  contextTokens: 4096,
  files: 1,
};

/**
 * Writes a model of random weights (bf16) with a byte-level tokenizer and a chat template. The same seed gives the same
 * bytes. Cost about 50 ms for {@link tinyShape}.
 * @param folder made when it is not there; files of the same names are replaced
 * @param seed any whole number below 2^32
 * @throws InvalidInput for a shape that makes no model
 */
export async function writeRandomCheckpoint(folder: string, shape: RandomShape, seed: number): Promise<void> {
  const tokenizer = byteTokenizer();
  const json = configOf(shape, tokenizer);
  const { config, problems } = parseModelConfig(json);
  if (config === undefined) throw new InvalidInput(problems);
  const tensors = [...sharedTensors(config), ...config.sparse.flatMap((_, layer) => [...expertTensors(config, layer)])];
  await mkdir(folder, { recursive: true });
  const write = (name: string, value: unknown) => writeFile(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  await write('config.json', json);
  await write('generation_config.json', { eos_token_id: [tokenizer.eos], do_sample: true, temperature: 1, top_p: 1 });
  await write('tokenizer.json', tokenizer.json);
  await write('tokenizer_config.json', { eos_token: '<|im_end|>', chat_template: chatTemplate });
  await writeTensors(folder, tensors, { files: shape.files, random: gaussian(seed) });
}

function configOf(shape: RandomShape, { size, eos }: { readonly size: number; readonly eos: number }) {
  return {
    architectures: ['Qwen3MoeForCausalLM'],
    model_type: 'qwen3_moe',
    vocab_size: size,
    hidden_size: shape.hidden,
    intermediate_size: 4 * shape.hidden,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    head_dim: shape.headDim,
    hidden_act: 'silu',
    rms_norm_eps: 1e-6,
    attention_bias: false,
    num_experts: shape.experts,
    num_experts_per_tok: shape.topK,
    moe_intermediate_size: shape.expertWidth,
    norm_topk_prob: shape.normTopK,
    decoder_sparse_step: 1,
    mlp_only_layers: [],
    max_position_embeddings: shape.contextTokens,
    rope_theta: 10_000,
    rope_scaling: null,
    use_sliding_window: false,
    tie_word_embeddings: false,
    eos_token_id: eos,
    torch_dtype: 'bfloat16',
  };
}

async function writeTensors(
  folder: string,
  tensors: readonly WantedTensor[],
  { files, random }: { readonly files: number; readonly random: () => number },
): Promise<void> {
  const number = (n: number) => String(n).padStart(5, '0');
  const fileOf = (i: number) => `model-${number(i + 1)}-of-${number(files)}.safetensors`;
  const weightMap: Record<string, string> = {};
  const perFile = Math.ceil(tensors.length / files);
  for (let i = 0; i < files; i++) {
    const own = tensors.slice(i * perFile, (i + 1) * perFile);
    for (const { name } of own) weightMap[name] = fileOf(i);
    const file = files === 1 ? 'model.safetensors' : fileOf(i);
    await writeFile(join(folder, file), safetensorsOf(own.map((tensor) => filled(tensor, random))));
  }
  const index = { metadata: {}, weight_map: weightMap };
  if (files > 1) await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify(index, null, 2));
}

/** Norms about one, matrices so that what goes through them keeps its size. */
function filled({ name, shape }: WantedTensor, random: () => number) {
  const data = new Float32Array(shape.reduce((product, size) => product * size, 1));
  const [mean, deviation] = shape.length === 1 ? [1, 0.1] : [0, (shape.at(-1) ?? 1) ** -0.5];
  for (let i = 0; i < data.length; i++) data[i] = mean + deviation * random();
  return { name, shape, data: new Uint8Array(encodeBf16(data).buffer) };
}

function safetensorsOf(
  tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly data: Uint8Array }[],
): Buffer {
  let end = 0;
  const entries = tensors.map(({ name, shape, data }) => {
    const start = end;
    end += data.byteLength;
    return [name, { dtype: 'BF16', shape, data_offsets: [start, end] }] as const;
  });
  const header = Buffer.from(JSON.stringify({ __metadata__: { format: 'pt' }, ...Object.fromEntries(entries) }));
  const padded = Buffer.alloc(Math.ceil(header.length / 8) * 8, ' ');
  padded.set(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded, ...tensors.map(({ data }) => data)]);
}

/** Normally distributed (Box and Muller 1958) from SplitMix32. */
function gaussian(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let bits = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
    return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
