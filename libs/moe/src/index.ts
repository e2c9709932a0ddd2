export type { ComputeBackend, ResidentExpert } from './backend.ts';
export { Checkpoint } from './checkpoint.ts';
export { type Experts, localExperts } from './experts.ts';
export type { ExpertWeights } from './kernels/feed-forward.ts';
export type { Routing } from './kernels/route.ts';
export type { Model, Sequence } from './model.ts';
export { openModel } from './open-model.ts';
export { plainBackend } from './plain-backend.ts';
export { tinyShape, writeRandomCheckpoint } from './tiny-checkpoint.ts';
