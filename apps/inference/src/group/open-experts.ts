import { availableParallelism } from 'node:os';
import { inference } from '#contracts/rpc';
import { type Checkpoint, type ComputeBackend, type Experts, localExperts, threadBackend } from '#moe';
import type { Config, ServiceSurroundings } from '#platform';
import { openCheckpoint } from '../checkpoint-setting.ts';
import type { GroupFacts } from '../service/engine.ts';
import { ResidentExperts } from '../shard/resident-experts.ts';
import { shardTlsOf } from '../tls-settings.ts';
import { shardCredentials } from '../transport/tls.ts';
import { ExpertGroup } from './expert-group.ts';
import { expertsOf } from './expert-map.ts';
import { stating } from './instruments.ts';
import { LocalShard } from './local-shard.ts';
import { RemoteShard, usualRemoteLimits } from './remote-shard.ts';
import type { Shard } from './shard.ts';

const combineModes = {
  deterministic: inference.CombineMode.COMBINE_MODE_DETERMINISTIC,
  reduced: inference.CombineMode.COMBINE_MODE_REDUCED,
} as const;

/** Steps between two looks at whether another placement is worth its moves. */
const replanSteps = 1_000;
/** Of activations in one request: far below what a stream of gRPC holds up for. */
const blockBytes = 2 ** 20;

type Surroundings = Pick<ServiceSurroundings<Config>, 'config' | 'logger' | 'keep'>;

/** The experts of a coordinator: on its shards where some are named, else in this process. `group` tells of the shards. */
export async function openExperts(
  checkpoint: Checkpoint,
  backend: ComputeBackend,
  surroundings: Surroundings,
): Promise<{ readonly experts: Experts; readonly group?: GroupFacts }> {
  const { config, logger, keep } = surroundings;
  if (config.ARGOSY_INFERENCE_SHARDS === undefined) {
    // What is to have the bits of a group is rounded like one.
    const format = config.ARGOSY_INFERENCE_COMBINE === 'deterministic' ? config.ARGOSY_INFERENCE_WIRE : 'f32';
    return { experts: await localExperts(checkpoint, backend, { format }) };
  }
  const settings = { ...settingsOf(config, checkpoint), arithmetic: backend.arithmetic };
  const shards = await shardsOf(config.ARGOSY_INFERENCE_SHARDS, surroundings);
  const experts = keep(await ExpertGroup.start(shards, checkpoint, { settings, logger }));
  const unstate = stating(experts);
  keep({ close: async () => unstate() });
  const group = {
    expertParallelSize: shards.length,
    combineMode: combineModes[settings.mode],
    load: () => ({ balancedness: experts.evenness, planEpoch: experts.planEpoch }),
    experts: () => expertsOf(experts),
  };
  return { experts, group };
}

/** Those at the addresses, or so many in this process, which share its threads. */
async function shardsOf(named: string, { config, keep }: Surroundings): Promise<Shard[]> {
  const [, count] = /^local\/(\d+)$/.exec(named) ?? [];
  if (count === undefined) {
    const secured = await shardCredentials(shardTlsOf(config));
    return named.split(',').map((address) => new RemoteShard(address, usualRemoteLimits, secured));
  }
  // Of its own, for as long as the group lives: an expert is read again when it is placed elsewhere.
  const store = await openCheckpoint(config);
  keep(store);
  const all = config.ARGOSY_INFERENCE_THREADS ?? availableParallelism() - 1;
  const threads = Math.max(1, Math.floor(all / Number(count)));
  return Array.from({ length: Number(count) }, (_, index) => {
    const experts = () => new ResidentExperts(store, threadBackend({ threads }), config.ARGOSY_INFERENCE_SHARD_BYTES);
    return new LocalShard(`local-${index}`, experts);
  });
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
