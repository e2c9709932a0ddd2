/** Which tensors a Qwen3-MoE checkpoint consists of, under the names of its publishers. */
import type { ModelConfig } from './model-config.ts';

/** A tensor's place in the model: matrices are [outputs, inputs]. */
export interface WantedTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

export const names = {
  embedding: 'model.embed_tokens.weight',
  norm: 'model.norm.weight',
  head: 'lm_head.weight',
  layer: (layer: number, part: string) => `model.layers.${layer}.${part}.weight`,
  expert: (layer: number, expert: number, part: 'gate' | 'up' | 'down') =>
    `model.layers.${layer}.mlp.experts.${expert}.${part}_proj.weight`,
  /** All experts of a layer in one tensor: gate above up, [experts, 2 * expertWidth, hidden]; down likewise. */
  packed: (layer: number, part: 'gate_up' | 'down') => `model.layers.${layer}.mlp.experts.${part}_proj`,
} as const;

/** Everything but experts. */
export function sharedTensors(config: ModelConfig): WantedTensor[] {
  const { vocabulary, hidden } = config;
  return [
    { name: names.embedding, shape: [vocabulary, hidden] },
    ...config.sparse.flatMap((sparse, layer) => layerTensors(config, layer, sparse)),
    { name: names.norm, shape: [hidden] },
    ...(config.tiedHead ? [] : [{ name: names.head, shape: [vocabulary, hidden] }]),
  ];
}

function layerTensors(config: ModelConfig, layer: number, sparse: boolean): WantedTensor[] {
  const { hidden, heads, kvHeads, headDim, experts, denseWidth } = config;
  const tensor = (part: string, ...shape: number[]) => ({ name: names.layer(layer, part), shape });
  const attention = [
    tensor('input_layernorm', hidden),
    tensor('self_attn.q_proj', heads * headDim, hidden),
    tensor('self_attn.k_proj', kvHeads * headDim, hidden),
    tensor('self_attn.v_proj', kvHeads * headDim, hidden),
    tensor('self_attn.o_proj', hidden, heads * headDim),
    tensor('self_attn.q_norm', headDim),
    tensor('self_attn.k_norm', headDim),
    tensor('post_attention_layernorm', hidden),
  ];
  if (sparse) return [...attention, tensor('mlp.gate', experts, hidden)];
  const width = denseWidth ?? 0;
  return [
    ...attention,
    tensor('mlp.gate_proj', width, hidden),
    tensor('mlp.up_proj', width, hidden),
    tensor('mlp.down_proj', hidden, width),
  ];
}

/** Of one layer with experts, each in tensors of its own. */
export function* expertTensors({ experts, expertWidth, hidden }: ModelConfig, layer: number): Generator<WantedTensor> {
  for (let expert = 0; expert < experts; expert++) {
    yield { name: names.expert(layer, expert, 'gate'), shape: [expertWidth, hidden] };
    yield { name: names.expert(layer, expert, 'up'), shape: [expertWidth, hidden] };
    yield { name: names.expert(layer, expert, 'down'), shape: [hidden, expertWidth] };
  }
}

/** Of one layer with experts, all of them packed. */
export function packedTensors({ experts, expertWidth, hidden }: ModelConfig, layer: number): WantedTensor[] {
  return [
    { name: names.packed(layer, 'gate_up'), shape: [experts, 2 * expertWidth, hidden] },
    { name: names.packed(layer, 'down'), shape: [experts, hidden, expertWidth] },
  ];
}
