import { Aborted } from '#errors';
import type { ComputeBackend, ResidentExpert } from './backend.ts';
import type { BlockWeights } from './block.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Experts } from './experts.ts';
import { names } from './layout.ts';
import { blockShapeOf, type LayerTrace, LoadedModel, type Model } from './model.ts';

/** `signal` ends the loading; `trace` is called after each layer of each step. */
export interface OpenOptions {
  readonly signal?: AbortSignal | undefined;
  readonly trace?: ((layer: LayerTrace) => void) | undefined;
}

/**
 * Loads everything but the experts. The checkpoint may be closed afterwards.
 * @throws InvalidInput when a file cannot be read or holds numbers that are none, Aborted
 */
export async function openModel(
  checkpoint: Checkpoint,
  backend: ComputeBackend,
  experts: Experts,
  options: OpenOptions = {},
): Promise<Model> {
  const { config } = checkpoint;
  const read = async (name: string) => (await checkpoint.tensor(name)).data;
  const embedding = await read(names.embedding);
  const layers = [];
  for (const layer of config.sparse.keys()) {
    if (options.signal?.aborted) throw new Aborted('Loading the model was stopped', { cause: options.signal.reason });
    const block = await backend.loadBlock(await readBlock(checkpoint, layer), blockShapeOf(config));
    layers.push({ block, dense: await loadDense(checkpoint, backend, layer) });
  }
  const projection = config.tiedHead ? embedding : await read(names.head);
  const head = await backend.loadHead({ norm: await read(names.norm), projection, epsilon: config.epsilon });
  return new LoadedModel({ config, backend, experts, weights: { embedding, layers, head }, trace: options.trace });
}

async function readBlock(checkpoint: Checkpoint, layer: number): Promise<BlockWeights> {
  const read = async (part: string) => (await checkpoint.tensor(names.layer(layer, part))).data;
  return {
    layer,
    inputNorm: await read('input_layernorm'),
    q: await read('self_attn.q_proj'),
    k: await read('self_attn.k_proj'),
    v: await read('self_attn.v_proj'),
    o: await read('self_attn.o_proj'),
    qNorm: await read('self_attn.q_norm'),
    kNorm: await read('self_attn.k_norm'),
    postNorm: await read('post_attention_layernorm'),
    router: checkpoint.config.sparse[layer] === true ? await read('mlp.gate') : null,
  };
}

async function loadDense(
  checkpoint: Checkpoint,
  backend: ComputeBackend,
  layer: number,
): Promise<ResidentExpert | null> {
  if (checkpoint.config.sparse[layer] === true) return null;
  const read = async (part: string) => (await checkpoint.tensor(names.layer(layer, part))).data;
  const [gate, up, down] = [await read('mlp.gate_proj'), await read('mlp.up_proj'), await read('mlp.down_proj')];
  return await backend.loadExpert({ gate, up, down });
}
