/** What `argosy inference plan` tells: whether a model fits a group of devices, how many agents, and what starts it. */
import { InvalidInput } from '#errors';
import { cacheBytesPerToken, type ModelConfig, readModelConfig, sizesOf } from '#moe';
import { type Gpu, groupSizes, parseGpus } from './gpus.ts';
import { planGroup, usualSessionTokens } from './group-plan.ts';
import { launchLines } from './launch.ts';
import type { ModelPlan, PlannedGroup } from './model-plan.ts';
import { planText } from './plan-text.ts';
import { storedBytes } from './stored-bytes.ts';

export interface PlanRequest {
  /** Folder of a checkpoint, of which `config.json` is enough. */
  readonly model: string;
  /** Such as `2xA100-80`. */
  readonly gpus: string;
  /** Longest context to be served; null: the model's own, and at most 128 Ki tokens. */
  readonly contextTokens: number | null;
  /** Kept for an agent when it is admitted; null: 82,500 tokens. */
  readonly sessionTokens: number | null;
}

const mostContextTokens = 131_072;

/**
 * @returns the plan, and the same as text
 * @throws InvalidInput for devices that are not known, a model that is no mixture of experts or lacks a field, and one
 * that does not fit what was asked for
 */
export async function planModel(request: PlanRequest): Promise<{ readonly plan: ModelPlan; readonly text: string }> {
  const { gpu, count } = parseGpus(request.gpus);
  const config = await readModelConfig(request.model);
  const plan = planOf(config, gpu, count, { ...request, storedBytes: await storedBytes(request.model) });
  const asked = plan.groups.find((group) => group.asked);
  if (asked !== undefined && !asked.fits) throw tooLarge(plan, asked);
  return { plan, text: planText(plan) };
}

interface Given extends PlanRequest {
  readonly storedBytes: number | null;
}

/** Pure. */
function planOf(config: ModelConfig, gpu: Gpu, count: number, given: Given): ModelPlan {
  const { model } = given;
  const contextTokens = given.contextTokens ?? Math.min(config.contextTokens, mostContextTokens);
  const sessionTokens = given.sessionTokens ?? usualSessionTokens;
  const groups = groupSizes.map((gpus) => {
    const group = planGroup(config, gpu, gpus, { sessionTokens });
    const fits = group.longestTokens > 0;
    const launch = fits ? launchLines(group, { model, contextTokens, gpu }) : null;
    return { ...group, fits, asked: gpus === count, launch };
  });
  const { all, active, experts } = sizesOf(config);
  return {
    model,
    parameters: all,
    activeParameters: active,
    weightBytes: 2 * all,
    storedBytes: given.storedBytes,
    kvBytesPerToken: cacheBytesPerToken(config),
    contextTokens,
    sessionTokens,
    gpu,
    groups,
    own: ownEngine(model, experts, count),
  };
}

/** Experts in f32, one shard for each device that was asked for. */
function ownEngine(model: string, experts: number, shards: number): ModelPlan['own'] {
  const ports = Array.from({ length: shards }, (_, shard) => 50_052 + shard);
  const shard = (port: number) => `inference --role shard --checkpoint ${model} --listen 0.0.0.0:${port}`;
  const addresses = ports.map((port) => `127.0.0.1:${port}`).join(',');
  const coordinator = `inference --role coordinator --checkpoint ${model} --shards ${addresses}`;
  return { bytesPerShard: (4 * experts) / shards, shards, launch: [...ports.map(shard), coordinator] };
}

function tooLarge(
  { model, gpu, groups }: ModelPlan,
  { gpus, freeBytesPerGpu, weightBytesPerGpu }: PlannedGroup,
): InvalidInput {
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
  const larger = groups.find((group) => group.fits);
  const advice = larger === undefined ? 'no group of these devices holds it' : `it fits ${larger.gpus}x${gpu.name}`;
  const usable = gigabytes(freeBytesPerGpu + weightBytesPerGpu);
  const message = `${gpus}x${gpu.name} is too small for ${model}: ${gigabytes(weightBytesPerGpu)} of weights on each, of which ${usable} fit: ${gigabytes(-freeBytesPerGpu)} too much; ${advice}`;
  return new InvalidInput([{ path: '--gpus', message }]);
}
