/** What a group of devices holds of a model, and how many agents. Pure arithmetic on its configuration. */
import { cacheBytesPerToken, type ModelConfig, sizesOf } from '#moe';
import type { Gpu } from './gpus.ts';

/** Of a device's memory, what vLLM is given by --gpu-memory-utilization, and what of it it works with. */
export const usedShare = 0.9;
const workingBytes = 3e9;
/** bf16, of weights, keys and values. */
const numberBytes = 2;

/**
 * What is kept for an agent when it is admitted, in tokens: three quarters of the longest context that agents come to,
 * for few are at their end at the same time.
 */
export const usualSessionTokens = 0.75 * 110_000;

/** Even out four ranks and eight, whatever the load; two are even without. */
const usualRedundant = 8;

export interface GroupPlan {
  readonly gpus: number;
  /** Devices that share the attention of one layer; each key and value head is on one of them. */
  readonly tensorParallel: number;
  /** Such sets of devices, each with sequences of its own; experts are spread over all devices. */
  readonly dataParallel: number;
  /** Copies of busy experts in each layer, beyond one of each. */
  readonly redundantExperts: number;
  readonly weightBytesPerGpu: number;
  readonly redundantBytesPerGpu: number;
  /** Of one device, left for keys and values; below 0 by what is lacking. */
  readonly freeBytesPerGpu: number;
  /** Keys and values of so many tokens, on all devices together. */
  readonly kvTokens: number;
  /** Of so many in one sequence: its keys and values are in one of the sets. */
  readonly longestTokens: number;
  /** Agents that may be there at the same time. */
  readonly sessions: number;
}

export interface PlanOptions {
  readonly sessionTokens: number;
  /** Default: 8 for four devices and more, or a few more where the experts would not come out even. */
  readonly redundantExperts?: number;
}

export function planGroup(config: ModelConfig, gpu: Gpu, gpus: number, options: PlanOptions): GroupPlan {
  const { shared, experts, expert } = sizesOf(config);
  const tensorParallel = tensorParallelOf(config, gpus);
  const dataParallel = gpus / tensorParallel;
  const redundantExperts = options.redundantExperts ?? redundantOf(config.experts, gpus);
  const sparseLayers = config.sparse.filter(Boolean).length;
  const weightBytesPerGpu = numberBytes * (experts / gpus + shared / tensorParallel);
  const redundantBytesPerGpu = (numberBytes * sparseLayers * redundantExperts * expert) / gpus;
  const freeBytesPerGpu = usedShare * gpu.bytes - workingBytes - weightBytesPerGpu - redundantBytesPerGpu;
  const ofSet = Math.max(0, Math.floor((tensorParallel * freeBytesPerGpu) / cacheBytesPerToken(config)));
  const sessionsOfSet = Math.floor(ofSet / options.sessionTokens);
  return {
    gpus,
    tensorParallel,
    dataParallel,
    redundantExperts,
    weightBytesPerGpu,
    redundantBytesPerGpu,
    freeBytesPerGpu,
    kvTokens: dataParallel * ofSet,
    longestTokens: ofSet,
    sessions: dataParallel * sessionsOfSet,
  };
}

/** As many as there may be without two devices keeping the same key and value heads. */
function tensorParallelOf({ kvHeads }: ModelConfig, gpus: number): number {
  let most = 1;
  for (let size = 2; size <= gpus; size *= 2) if (kvHeads % size === 0 && gpus % size === 0) most = size;
  return most;
}

/** Each device has as many slots as the others. */
function redundantOf(experts: number, gpus: number): number {
  if (gpus < 4) return 0;
  return usualRedundant + ((gpus - ((experts + usualRedundant) % gpus)) % gpus);
}
