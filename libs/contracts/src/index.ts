export { parseInput } from './parse.ts';
export {
  type AcceptedResource,
  acceptedResource,
  type ErrorResource,
  errorResource,
  type ResearchBody,
  type RunResource,
  reportSchema,
  researchBody,
  runResource,
} from './research.ts';
