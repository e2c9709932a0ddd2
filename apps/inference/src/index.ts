export { conform } from './conformance/conform.ts';
export { ExpertGroup, type GroupSettings } from './group/expert-group.ts';
export { LocalShard } from './group/local-shard.ts';
export { RemoteShard } from './group/remote-shard.ts';
export type { Shard } from './group/shard.ts';
export { inspectCheckpoint } from './inspect.ts';
export { planModel } from './plan/plan.ts';
export { type ExpertStore, ResidentExperts } from './shard/resident-experts.ts';
export { ShardServer } from './shard/shard-server.ts';
