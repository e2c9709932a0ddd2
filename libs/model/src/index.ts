export * from './chat-model.ts';
export { type ConfiguredModel, type ConfiguredModels, configuredModels } from './configured.ts';
export { extractiveModel } from './extractive/extractive-model.ts';
export { type ModelSpec, nameOf, parseModelSpec } from './model-spec.ts';
export { type Output, OutputParser } from './output-parser.ts';
export type { ChatMessage, Generated, ParsedReply, Profile, ProfileId, Prompt } from './profile.ts';
export { type PageQuotes, type PageReader, type PageReading, pageReader } from './reading.ts';
export { sseData } from './sse.ts';
export { tongyiV1 } from './tongyi.ts';
