export { findChromium, parseBrowser } from './browser/find.ts';
export { type BuildRequest, Corpora, type CorporaOptions, type SyncOptions } from './corpus/corpora.ts';
export type { SegmentSource, StoredSegment } from './corpus/segments.ts';
export type { Survey } from './corpus/survey.ts';
export { surveyFolder } from './corpus/survey-folder.ts';
export type {
  Candidate,
  CorpusDocument,
  CorpusReport,
  Statistics,
  SyncProgress,
  TermGroup,
  TermQuery,
} from './corpus/types.ts';
export type { FoundFile, NamedFile, Skip } from './corpus/walk.ts';
export type { Evidence, Made, Shared, Wanted } from './evidence.ts';
export type { Pace, PaceRule, Turn } from './pace.ts';
export { embeddedProviders, parseOwnKeys, parseProviders, searchProviders, secretNames } from './providers/chosen.ts';
export type { SearchProvider } from './providers/provider.ts';
export type { PageReader, PageReading } from './reading.ts';
export { searchTool } from './search.ts';
export type { ParseDom } from './text/dom.ts';
export { Extraction, type ExtractionOptions } from './text/extraction.ts';
export { htmlToText } from './text/html.ts';
export * from './tool.ts';
export {
  openToolbox,
  parseTools,
  type Toolbox,
  type ToolboxParts,
  toolSignatures,
  type WayOut,
  wayOut,
} from './toolbox.ts';
export { type VisitParts, visitTool } from './visit.ts';
