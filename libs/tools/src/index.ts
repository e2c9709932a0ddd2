export { Corpora, type CorporaOptions, type SyncOptions } from './corpus/corpora.ts';
export type {
  Candidate,
  CorpusDocument,
  CorpusReport,
  Statistics,
  SyncProgress,
  TermGroup,
  TermQuery,
} from './corpus/types.ts';
export type { Skip } from './corpus/walk.ts';
export { searchTool } from './search.ts';
export { Extraction, type ExtractionOptions } from './text/extraction.ts';
export * from './tool.ts';
export { type VisitParts, visitTool } from './visit.ts';
