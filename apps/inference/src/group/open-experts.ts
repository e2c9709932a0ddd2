import { inference } from '#contracts/rpc';
import { type Checkpoint, type ComputeBackend, type Experts, localExperts } from '#moe';
import type { Config, ServiceSurroundings } from '#platform';
import type { GroupFacts } from '../service/engine.ts';
import { shardTlsOf } from '../tls-settings.ts';
import { shardCredentials } from '../transport/tls.ts';
import { ExpertGroup } from './expert-group.ts';
import { RemoteShard, usualRemoteLimits } from './remote-shard.ts';

const combineModes = {
  deterministic: inference.CombineMode.COMBINE_MODE_DETERMINISTIC,
  reduced: inference.CombineMode.COMBINE_MODE_REDUCED,
} as const;

/** Steps between two looks at whether another placement is worth its moves. */
const replanSteps = 1_000;
/** Of activations in one request: far below what a stream of gRPC holds up for. */
const blockBytes = 2 ** 20;

/** The experts of a coordinator: on its shards where some are named, else in this process. `group` tells of the shards. */
export async function openExperts(
  checkpoint: Checkpoint,
  backend: ComputeBackend,
  { config, logger, keep }: Pick<ServiceSurroundings<Config>, 'config' | 'logger' | 'keep'>,
): Promise<{ readonly experts: Experts; readonly group?: GroupFacts }> {
  const addresses = config.ARGOSY_INFERENCE_SHARDS?.split(',') ?? [];
  if (addresses.length === 0) {
    // What is to have the bits of a group is rounded like one.
    const format = config.ARGOSY_INFERENCE_COMBINE === 'deterministic' ? config.ARGOSY_INFERENCE_WIRE : 'f32';
    return { experts: await localExperts(checkpoint, backend, { format }) };
  }
  const settings = { ...settingsOf(config, checkpoint), arithmetic: backend.arithmetic };
  const secured = await shardCredentials(shardTlsOf(config));
  const shards = addresses.map((address) => new RemoteShard(address, usualRemoteLimits, secured));
  const experts = keep(await ExpertGroup.start(shards, checkpoint, { settings, logger }));
  const group = {
    expertParallelSize: shards.length,
    combineMode: combineModes[settings.mode],
    load: () => ({ balancedness: experts.evenness, planEpoch: experts.planEpoch }),
  };
  return { experts, group };
}

function settingsOf(config: Config, { config: { hidden, expertWidth } }: Checkpoint) {
  return {
    mode: config.ARGOSY_INFERENCE_COMBINE,
    format: config.ARGOSY_INFERENCE_WIRE,
    limits: {
      minReplicas: config.ARGOSY_INFERENCE_REPLICAS,
      redundant: config.ARGOSY_INFERENCE_REDUNDANT,
      // Gate, up and down, f32 as backends hold them.
      expertBytes: 3 * hidden * expertWidth * 4,
      shardBytes: config.ARGOSY_INFERENCE_SHARD_BYTES,
    },
    replanSteps,
    patienceMs: config.ARGOSY_INFERENCE_PATIENCE_MS,
    blockBytes,
  };
}
