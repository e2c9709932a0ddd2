import { z } from 'zod';
import type { Problem } from '#errors';

/** What `config.json` says of a Qwen3-MoE model, whichever release of transformers wrote it. */
export interface ModelConfig {
  readonly vocabulary: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly experts: number;
  /** Experts per token. */
  readonly topK: number;
  /** Of one expert's inner layer. */
  readonly expertWidth: number;
  /** Of a dense layer's inner layer; null when no layer is dense. */
  readonly denseWidth: number | null;
  /** For each layer whether it has experts; the others are dense. */
  readonly sparse: readonly boolean[];
  readonly normTopK: boolean;
  readonly epsilon: number;
  readonly ropeTheta: number;
  /** Longest context that the model was made for. */
  readonly contextTokens: number;
  /** The head is the embedding. */
  readonly tiedHead: boolean;
  readonly eosTokens: readonly number[];
}

const count = (most: number) => z.int().min(1).max(most);
const positive = z.number().positive().max(1e12);
const tokens = z.union([z.int().min(0), z.array(z.int().min(0)).max(64)]).nullish();

/** Bounds are an order of magnitude above any published model: they keep absurd files from absurd allocations. */
const schema = z.looseObject({
  architectures: z.array(z.string()).max(16),
  model_type: z.literal('qwen3_moe'),
  vocab_size: count(4_000_000),
  hidden_size: count(65_536),
  intermediate_size: count(1_048_576).optional(),
  num_hidden_layers: count(1_024),
  num_attention_heads: count(1_024),
  num_key_value_heads: count(1_024),
  head_dim: count(1_024).nullish(),
  hidden_act: z.literal('silu'),
  rms_norm_eps: positive.max(1),
  attention_bias: z.literal(false).optional(),
  num_experts: count(65_536).optional(),
  num_local_experts: count(65_536).optional(),
  num_experts_per_tok: count(1_024),
  moe_intermediate_size: count(1_048_576),
  norm_topk_prob: z.boolean().optional(),
  decoder_sparse_step: count(1_024).optional(),
  mlp_only_layers: z.array(z.int().min(0)).max(1_024).nullish(),
  max_position_embeddings: count(100_000_000),
  rope_theta: positive.optional(),
  rope_parameters: z.looseObject({ rope_theta: positive, rope_type: z.literal('default').optional() }).nullish(),
  rope_scaling: z.null().optional(),
  quantization_config: z.null().optional(),
  use_sliding_window: z.literal(false).optional(),
  tie_word_embeddings: z.boolean().optional(),
  eos_token_id: tokens,
});
type Published = z.infer<typeof schema>;

/** `path` is the field. */
export type ParsedConfig =
  | { readonly config: ModelConfig; readonly problems?: never }
  | { readonly config?: never; readonly problems: readonly Problem[] };

/** @param json the parsed `config.json` */
export function parseModelConfig(json: unknown): ParsedConfig {
  const read = schema.safeParse(json);
  if (!read.success) return { problems: read.error.issues.map((issue) => told(issue, json)) };
  const published = read.data;
  const experts = published.num_experts ?? published.num_local_experts ?? 0;
  const ropeTheta = published.rope_parameters?.rope_theta ?? published.rope_theta ?? 0;
  const problems = contradictions(published, experts, ropeTheta);
  if (problems.length > 0) return { problems };
  const sparse = Array.from({ length: published.num_hidden_layers }, (_, layer) => isSparse(published, layer));
  const config: ModelConfig = {
    vocabulary: published.vocab_size,
    hidden: published.hidden_size,
    heads: published.num_attention_heads,
    kvHeads: published.num_key_value_heads,
    headDim: headDimOf(published),
    experts,
    topK: published.num_experts_per_tok,
    expertWidth: published.moe_intermediate_size,
    denseWidth: sparse.every(Boolean) ? null : (published.intermediate_size ?? null),
    sparse,
    // The class's own default: checkpoints that leave it out were trained without.
    normTopK: published.norm_topk_prob ?? false,
    epsilon: published.rms_norm_eps,
    ropeTheta,
    contextTokens: published.max_position_embeddings,
    tiedHead: published.tie_word_embeddings ?? false,
    eosTokens: tokenList(published.eos_token_id),
  };
  return { config };
}

/** A token id, several, or none, as both of a model's configuration files write them. */
export function tokenList(given: number | readonly number[] | null | undefined): readonly number[] {
  if (given === undefined || given === null) return [];
  return typeof given === 'number' ? [given] : given;
}

function isSparse({ mlp_only_layers: dense, decoder_sparse_step: step }: Published, layer: number): boolean {
  return !dense?.includes(layer) && (layer + 1) % (step ?? 1) === 0;
}

function headDimOf({ head_dim: given, hidden_size: hidden, num_attention_heads: heads }: Published): number {
  return given ?? hidden / heads;
}

type Fault = readonly [wrong: boolean, path: string, message: string];

/** What each field allows and all of them together do not. */
function contradictions(published: Published, experts: number, ropeTheta: number): Problem[] {
  return [...spellingFaults(published, experts, ropeTheta), ...shapeFaults(published, experts)]
    .filter(([wrong]) => wrong)
    .map(([, path, message]) => ({ path, message }));
}

/** Fields that go by two names: one of them must be there, and both must say the same. */
function spellingFaults(published: Published, experts: number, ropeTheta: number): Fault[] {
  const { architectures, num_local_experts: local, rope_theta: theta } = published;
  const known = architectures.includes('Qwen3MoeForCausalLM');
  return [
    [!known, 'architectures', `is ${JSON.stringify(architectures)}; only Qwen3MoeForCausalLM can be run`],
    [experts === 0, 'num_experts', 'is missing (num_local_experts is taken, too)'],
    [(local ?? experts) !== experts, 'num_local_experts', `is ${local}, while num_experts is ${experts}`],
    [ropeTheta === 0, 'rope_theta', 'is missing (rope_parameters.rope_theta is taken, too)'],
    [(theta ?? ropeTheta) !== ropeTheta, 'rope_theta', `is ${theta}, while rope_parameters.rope_theta is ${ropeTheta}`],
  ];
}

function shapeFaults(published: Published, experts: number): Fault[] {
  const { num_attention_heads: heads, num_key_value_heads: kvHeads, vocab_size: vocabulary } = published;
  const dense = Array.from({ length: published.num_hidden_layers }, (_, layer) => !isSparse(published, layer));
  const noWidth = dense.includes(true) && published.intermediate_size === undefined;
  const eos = tokenList(published.eos_token_id);
  const headDim = headDimOf(published);
  return [
    [published.num_experts_per_tok > experts, 'num_experts_per_tok', `is more than the ${experts} experts`],
    [
      heads % kvHeads !== 0,
      'num_key_value_heads',
      `is ${kvHeads}, which does not divide num_attention_heads, ${heads}`,
    ],
    [headDim % 2 !== 0, 'head_dim', `is ${headDim}; rotary embedding needs an even whole number`],
    [noWidth, 'intermediate_size', `is missing, and layer ${dense.indexOf(true)} has no experts`],
    [eos.some((token) => token >= vocabulary), 'eos_token_id', `is not below vocab_size, ${vocabulary}`],
  ];
}

function told(issue: z.core.$ZodIssue, json: unknown): Problem {
  const value = issue.path.reduce<unknown>((held, key) => (held as Record<PropertyKey, unknown> | null)?.[key], json);
  const shown = value === undefined ? 'is missing' : `is ${(JSON.stringify(value) ?? '?').slice(0, 100)}`;
  return { path: issue.path.join('.'), message: `${shown}: ${issue.message}` };
}
