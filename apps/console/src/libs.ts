/**
 * What the console takes of the libs. It is a package of its own, which the names in the root's package.json do not reach.
 */
export type {
  AboutResource,
  AcceptedResource,
  BegunLogin,
  CorpusList,
  CorpusResource,
  CreatedKeyResource,
  ErrorResource,
  ExpertsResource,
  FleetResource,
  GivenLogin,
  InferenceResource,
  KeyList,
  ModelList,
  ResearchBody,
  RunList,
  RunResource,
  ScalingResource,
  SecretList,
  UsageResource,
  WaysIn,
} from '../../../libs/contracts/src/index.ts';
export { claimSpans } from '../../../libs/domain/src/index.ts';
export { ArgosyError } from '../../../libs/errors/src/index.ts';
