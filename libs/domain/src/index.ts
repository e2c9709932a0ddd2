export {
  type Budget,
  type LimitReason,
  type Limits,
  type Permit,
  type Prices,
  permit,
  type Spending,
} from './budget.ts';
export { type Citation, type Claim, type VerifiedAnswer, verifyAnswer } from './claims.ts';
export type {
  AnswerPart,
  DraftCitation,
  ModelReply,
  ModelUsage,
  ToolCall,
  ToolOutcome,
  Turn,
} from './conversation.ts';
export {
  announce,
  announceEnd,
  eventSchemaVersion,
  isTerminal,
  type RunEvent,
  type RunEventType,
} from './events.ts';
export { quotePassage } from './evidence.ts';
export type { Observation, Passage, Section, SourceDocument, ToolFault } from './observation.ts';
export {
  buildReport,
  type Report,
  type ReportUsage,
  renderMarkdown,
  type TerminalStatus,
  usageOf,
} from './report.ts';
export type { ReportSetting, ResearchRequest, SourcePolicy } from './request.ts';
export {
  advance,
  type Command,
  type Ending,
  giveUp,
  type PlacedCall,
  type ResearchEvent,
  type ResearchState,
  replay,
} from './research.ts';
export { type NumberedSource, numberSources } from './sources.ts';
export { overlap, splitIdentifier, stems, subjectWords, wordsOf } from './words.ts';
