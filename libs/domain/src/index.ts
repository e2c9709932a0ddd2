export {
  type Budget,
  fromStart,
  type LimitReason,
  type Limits,
  nothingSpent,
  type Permit,
  permit,
  type ReadingLimits,
  type Spending,
} from './budget.ts';
export { canonicalJson } from './canonical-json.ts';
export { claimSpans, type Span } from './claim-spans.ts';
export {
  type Citation,
  type Claim,
  type ClaimFault,
  citedHashes,
  type Evidence,
  type FieldProof,
  locateQuotes,
  type Place,
  type Verifiable,
  type VerifiedAnswer,
  verifyAnswer,
} from './claims.ts';
export { shownTurns } from './context.ts';
export type {
  AnswerPart,
  Digest,
  DraftCitation,
  DraftOutput,
  ModelReply,
  Order,
  OutputSchema,
  ReplyTimes,
  ToolCall,
  ToolOutcome,
  Turn,
} from './conversation.ts';
export { attributionsOf, degradedOf } from './degraded.ts';
export { tokenWeight } from './estimate.ts';
export {
  announce,
  announceEnd,
  eventSchemaVersion,
  isTerminal,
  type RunEvent,
  type RunEventType,
} from './events.ts';
export { quotePassage } from './evidence.ts';
export { type Explanation, explain } from './explain/explain.ts';
export type { RunTimes } from './explain/record.ts';
export { opensKnownOnly } from './known-pages.ts';
export { lateOutcome } from './late.ts';
export { type Cost, costBetween, type PriceChange, type Prices } from './money.ts';
export { type NextCall, nextCall } from './next-call.ts';
export type {
  Choice,
  Observation,
  Passage,
  ScholarlyWork,
  SearchHit,
  Section,
  SourceDocument,
  ToolFault,
} from './observation.ts';
export { type Dated, datedOf, pricesFrom } from './price-table.ts';
export {
  buildReport,
  type Report,
  type ReportUsage,
  renderMarkdown,
  type TerminalStatus,
  usageOf,
} from './report.ts';
export {
  type Attribution,
  type CitationRule,
  type ReportSetting,
  type ResearchRequest,
  type SourcePolicy,
  type StoredPolicy,
  type StoredRequest,
  upcastPolicy,
  upcastRequest,
} from './request.ts';
export { advance, giveUp, orderOf, replay } from './research.ts';
export type {
  Aim,
  Checkable,
  Command,
  Conclusion,
  Ending,
  PlacedCall,
  ResearchEvent,
  ResearchState,
} from './run-state.ts';
export { claimsOn, unsoundnessOf } from './soundness.ts';
export { type NumberedSource, numberSources } from './sources.ts';
export { isToolKind, type ToolKind, toolKinds } from './tool-kinds.ts';
export { transcriptHash, transcriptOf } from './transcript.ts';
export type { ModelUsage, ReadingUsage } from './usage.ts';
export { overlap, splitIdentifier, stems, subjectWords, wordsOf } from './words.ts';
