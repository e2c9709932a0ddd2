import type { Passage, SourceDocument } from '#domain';
import type { Skip } from './walk.ts';

/** What a sync did. Counts of `added`, `changed` and `removed` are files; the others are what the index holds now. */
export interface CorpusReport {
  readonly id: string;
  readonly name: string;
  readonly documents: number;
  readonly passages: number;
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  readonly skipped: readonly Skip[];
  readonly seconds: number;
  /** Which releases can read the index: those that make the same. */
  readonly format: number;
  /** Set when an index that was there could not be used and was built anew. */
  readonly notice?: string;
}

/** How far a sync is. `total` is known once the folder has been walked. */
export interface SyncProgress {
  readonly phase: 'looking' | 'reading' | 'finishing';
  readonly done: number;
  readonly total: number;
}

/** Alternatives for one idea of a question. */
export interface TermGroup {
  /** Words or phrases as written; each is matched literally, words of one term side by side. */
  readonly terms: readonly string[];
  /** How much the idea matters to the ranking, 1 = normal. */
  readonly weight: number;
}

/** A question for the index: passages that hold any term of any group. */
export interface TermQuery {
  readonly groups: readonly TermGroup[];
}

/** A passage that matched. `score` repeats `bm25`; higher is better. */
export interface Candidate extends Passage {
  readonly uri: string;
  readonly title: string;
  /** BM25 over the weighted columns, of its own corpus; 0 for a passage that came by its meaning alone. */
  readonly bm25: number;
  /** Cosine of its meaning with the question's, -1 to 1; 0 for a passage that came by its words alone. */
  readonly cosine: number;
  /** Place of the passage in its document, from 0. */
  readonly order: number;
  /** Size of the document's text in UTF-8 bytes. */
  readonly bytes: number;
  /** When the document was read, ISO 8601. */
  readonly fetchedAt: string;
}

/** What idf is computed from. */
export interface Statistics {
  /** Passages in the corpora asked. */
  readonly passages: number;
  /** For each term as given: passages that hold it. */
  readonly documentFrequency: Readonly<Record<string, number>>;
}

/** A whole document of a corpus; its passages are in order, with score 0. */
export interface CorpusDocument {
  readonly source: SourceDocument;
  readonly text: string;
  readonly passages: readonly Passage[];
}

/** Where an index lies and under which name its documents are known. */
export interface CorpusFile {
  readonly id: string;
  readonly file: string;
  readonly name: string;
}
