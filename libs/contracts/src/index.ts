export { parseInput } from './parse.ts';
export {
  type AcceptedResource,
  acceptedResource,
  type ErrorResource,
  errorResource,
  maxQuestionChars,
  type ResearchBody,
  type RunResource,
  reportSchema,
  researchBody,
  runResource,
} from './research.ts';
