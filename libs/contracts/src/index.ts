export { type AboutResource, aboutResource } from './about.ts';
export { type BundleContents, isBundlePath } from './bundle/contents.ts';
export { fingerprintOf, sealBundle } from './bundle/seal.ts';
export { type Files, readTar, writeTar } from './bundle/tar.ts';
export { type Seal, type Verification, verifyBundle } from './bundle/verify.ts';
export {
  type CorpusBody,
  type CorpusFile,
  type CorpusList,
  type CorpusResource,
  corpusBody,
  corpusBodyLimit,
  corpusList,
  corpusPath,
  corpusResource,
  fileHash,
  fileLimit,
} from './corpora.ts';
export { csvOf, wantsCsv } from './csv.ts';
export { type ErrorResource, errorResource } from './errors.ts';
export { eventMeanings } from './events.ts';
export { type ExplanationResource, explanationResource } from './explain.ts';
export { type FleetResource, fleetResource, type ScalingResource, scalingResource } from './fleet.ts';
export {
  type ExpertsResource,
  expertsQuery,
  expertsResource,
  type InferenceResource,
  inferenceResource,
} from './inference.ts';
export {
  type CreatedKeyResource,
  createdKeyResource,
  type KeyList,
  type KeyResource,
  keyBody,
  keyList,
  keyResource,
  type Scope,
  scopes,
  tenantScopes,
} from './keys.ts';
export {
  type BegunLogin,
  begunLogin,
  finishBody,
  type GivenLogin,
  givenLogin,
  type WaysIn,
  waysIn,
} from './login.ts';
export { chatBody, chatNames, readChatBody } from './openai/chat-body.ts';
export { chatCompletion, toChunks, toCompletion } from './openai/chat-completion.ts';
export { type OpenAiErrorResource, openAiErrorResource } from './openai/error.ts';
export { type InputItemList, inputItemList, inputItems, itemPage } from './openai/input-items.ts';
export { type ModelList, type ModelResource, modelList, modelResource } from './openai/models.ts';
export { renaming } from './openai/order.ts';
export { type ResponseEvent, type ResponseState, runIdOf, tell, unopened } from './openai/projection.ts';
export { itemsQuery, retrievalQuery } from './openai/queries.ts';
export { type DeletedResponse, deletedResponse, type ResponseResource, responseResource } from './openai/response.ts';
export {
  type ResponseEcho,
  readResponsesBody,
  responseEcho,
  responseNames,
  responsesBody,
} from './openai/responses-body.ts';
export type { ShownRun } from './openai/shown.ts';
export { outputFaults, outputSchemaFault } from './output-schema.ts';
export { eventHeaders, eventQuery, pageQuery, runQuery } from './paging.ts';
export { parseInput, parseLargeInput } from './parse.ts';
export { reportSchema } from './report.ts';
export {
  type AcceptedResource,
  acceptedResource,
  idempotencyKey,
  type ResearchBody,
  type RunList,
  type RunResource,
  researchBody,
  runList,
  runResource,
} from './research.ts';
export { type SecretList, type SecretResource, secretBody, secretList, secretResource } from './secrets.ts';
export {
  runUsageLimit,
  runUsageList,
  runUsageQuery,
  type UsageResource,
  usageColumns,
  usageQuery,
  usageResource,
} from './usage.ts';
