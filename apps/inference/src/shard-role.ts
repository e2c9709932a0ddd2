import type { Config, Running, ServiceSurroundings } from '#platform';
import { openCheckpoint } from './checkpoint-setting.ts';
import { computeThreads } from './compute-threads.ts';
import { ResidentExperts } from './shard/resident-experts.ts';
import { ShardServer } from './shard/shard-server.ts';
import { tlsOf } from './tls-settings.ts';

/** The role `shard`: experts of a model, those that its coordinator asks for. @throws InvalidInput */
export async function startShard({ config, logger, keep }: ServiceSurroundings<Config>): Promise<Running> {
  const checkpoint = keep(await openCheckpoint(config));
  const experts = new ResidentExperts(checkpoint, computeThreads(config), config.ARGOSY_INFERENCE_SHARD_BYTES);
  return await ShardServer.start(experts, { listen: config.ARGOSY_INFERENCE_LISTEN, tls: tlsOf(config) }, logger);
}
