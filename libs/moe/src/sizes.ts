/** How large a model is, and what of it fits where. Pure arithmetic on its configuration. */
import { sharedTensors, type WantedTensor } from './layout.ts';
import type { ModelConfig } from './model-config.ts';

/** Counts of parameters. */
export interface Sizes {
  readonly all: number;
  /** Everything but experts; every device needs it, unless attention is split. */
  readonly shared: number;
  /** Of one expert. */
  readonly expert: number;
  /** Of all experts of one layer. */
  readonly layerExperts: number;
  /** Of all experts. */
  readonly experts: number;
  /** That one token passes through. */
  readonly active: number;
  /** Of `active`, what is neither embedding nor head. */
  readonly activeInside: number;
}

export function sizesOf(config: ModelConfig): Sizes {
  const { hidden, expertWidth, topK, vocabulary, tiedHead } = config;
  const shared = sharedTensors(config).reduce((sum, { shape }) => sum + product(shape), 0);
  const expert = 3 * hidden * expertWidth;
  const sparseLayers = config.sparse.filter(Boolean).length;
  const layerExperts = config.experts * expert;
  const experts = sparseLayers * layerExperts;
  const active = shared + sparseLayers * topK * expert;
  const activeInside = active - (tiedHead ? 1 : 2) * vocabulary * hidden;
  return { all: shared + experts, shared, expert, layerExperts, experts, active, activeInside };
}

/** Bytes of keys and values that one token leaves in all layers, kept in bf16. */
export function cacheBytesPerToken({ sparse, kvHeads, headDim }: ModelConfig): number {
  return sparse.length * 2 * kvHeads * headDim * BYTES;
}

/** bf16, in which the model is served. */
const BYTES = 2;

/** Of a device's memory, what an engine takes for weights and caches, less what it needs to work. */
const USED = 0.9;
const WORKING_BYTES = 3e9;

/** What a group of devices holds of a model, in bf16. */
export interface Fit {
  readonly devices: number;
  /**
   * `tensor`: every device has its part of each layer. `data`: there are more devices than key and value heads, so each
   * has all but experts, and keys and values of its own sequences. Experts are spread evenly either way.
   */
  readonly attention: 'whole' | 'tensor' | 'data';
  readonly weightBytesPerDevice: number;
  /** Of keys and values, on all devices together; 0 when the weights do not fit. */
  readonly cacheTokens: number;
}

export function fitOn(config: ModelConfig, devices: number, deviceBytes: number): Fit {
  const { shared, experts } = sizesOf(config);
  const attention = devices === 1 ? 'whole' : config.kvHeads % devices === 0 ? 'tensor' : 'data';
  const parameters = experts / devices + (attention === 'data' ? shared : shared / devices);
  const weightBytesPerDevice = parameters * BYTES;
  const free = devices * (deviceBytes * USED - WORKING_BYTES - weightBytesPerDevice);
  const cacheTokens = Math.max(0, Math.floor(free / cacheBytesPerToken(config)));
  return { devices, attention, weightBytesPerDevice, cacheTokens };
}

function product(shape: WantedTensor['shape']): number {
  return shape.reduce((all, size) => all * size, 1);
}
