export { Admission } from './admission.ts';
export type { ComputeBackend, ResidentExpert } from './backend.ts';
export { type Channel, ChannelSplitter, opensReasoning } from './channels.ts';
export { Checkpoint } from './checkpoint.ts';
export { readConfig as readModelConfig } from './checkpoint-files.ts';
export { type CombineMode, combine, type Part } from './combine.ts';
export type { Constraint } from './constraint/constraint.ts';
export { Guides, type Held } from './constraint/guide.ts';
export { type BytesOf, Detokenizer } from './detokenize.ts';
export { assign, type ExpertPairs, gatherRows, groupByExpert, type Slice, sliceOf } from './dispatch.ts';
export { decodeRows, encodeRows, roundedTo, type WireFormat, wireBytes } from './dispatch-format.ts';
export { type ExpertSource, type Experts, localExperts } from './experts.ts';
export { Generator, type GroupLimits, type Load } from './generate.ts';
export type { Delta, Finished, FinishReason, PromptTokens, Speech } from './generation.ts';
export { Draining, NoRoom, PromptTooLong, SessionsFull } from './generation-faults.ts';
export type { GenerationRequest } from './job.ts';
export { PAGE_TOKENS } from './kernels/attention.ts';
export type { ExpertWeights } from './kernels/feed-forward.ts';
export type { Routing } from './kernels/route.ts';
export { addWeighed, weighRows } from './kernels/weigh.ts';
export type { BatchPart, Model } from './model.ts';
export type { ModelConfig } from './model-config.ts';
export { openModel } from './open-model.ts';
export type { GenerationEvent } from './outbox.ts';
export {
  balance,
  followLoad,
  heldBy,
  type LayerExperts,
  movesBetween,
  type Placement,
  placementOf,
} from './placement.ts';
export { type ExpertDemand, type PlacementLimits, placeOrphans, planPlacement, TooFewSlots } from './placement-plan.ts';
export { plainBackend } from './plain-backend.ts';
export { type Sampling, samplingOf } from './sampling.ts';
export { SharedTime } from './shared-time.ts';
export { cacheBytesPerToken, fitOn, sizesOf } from './sizes.ts';
export { StopFinder } from './stop.ts';
export { threadBackend } from './thread-backend.ts';
export { tinyShape, writeRandomCheckpoint } from './tiny-checkpoint.ts';
