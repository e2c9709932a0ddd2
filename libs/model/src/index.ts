export * from './chat-model.ts';
export { extractiveModel } from './extractive/extractive-model.ts';
export { buildModel, type ModelBuilders, type ModelSpec, parseModelSpec } from './model-spec.ts';
export { type OpenAiModelOptions, openAiModel } from './openai-model.ts';
export type { ChatMessage, ParsedOutput, Profile, Sampling } from './profile.ts';
export { tongyiV1 } from './tongyi.ts';
