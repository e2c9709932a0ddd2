import type { FaultKind } from '#errors';
import type { ReadingUsage } from './usage.ts';

/** A document as a run saw it. Its text is stored under `sha256` and never changes. */
export interface SourceDocument {
  /** Where it came from: an http(s) URL, or `corpus:<corpus name>/<path>`. */
  readonly uri: string;
  readonly title: string;
  /** Hex sha256 of the UTF-8 snapshot text. */
  readonly sha256: string;
  /** Size of the snapshot text in UTF-8 bytes. */
  readonly bytes: number;
  /** ISO 8601 instant. */
  readonly fetchedAt: string;
  /** When the page says that it was published and last changed: ISO 8601, as precise as it tells. */
  readonly published?: string;
  readonly modified?: string;
  /** BCP 47, as the page says. */
  readonly language?: string;
  /** The address that the page gives for its own; a claim of the page. */
  readonly canonical?: string;
}

/** Verbatim text of a source: `snapshot.slice(start, end) === text`, offsets in UTF-16 code units. */
export interface Passage {
  readonly sha256: string;
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** Headings above the passage, outermost first; the document's title is not repeated here. */
  readonly headings: readonly string[];
  /** Relevance within its section, higher is better; comparable only inside one observation. */
  readonly score: number;
}

/** Why a part of a tool call gave nothing. `message` is written for the model and the user: no internals. */
export interface ToolFault {
  readonly kind: FaultKind;
  readonly message: string;
  readonly retryAfterMs?: number;
}

/** What is known of a scholarly work besides where it can be read. */
export interface ScholarlyWork {
  /** As they sign, in order. */
  readonly authors: readonly string[];
  readonly year: number | null;
  readonly venue: string | null;
  /** How often it is cited, by the provider's count; null where none counts. */
  readonly citations: number | null;
  /** Lower case, without resolver: `10.1000/xyz`. */
  readonly doi: string | null;
  /** Where its text is open to everyone. */
  readonly pdfUrl: string | null;
}

/** Where something may be read, as a search provider says. A pointer and no evidence: only what was read is quoted. */
export interface SearchHit {
  /** Canonical http(s) URL. */
  readonly url: string;
  readonly title: string;
  /** The provider's words, plain text. */
  readonly snippet: string;
  /** ISO 8601 date, as precise as the provider tells: `2024`, `2024-05` or `2024-05-17`. */
  readonly published: string | null;
  /** Names of the providers that gave it, the one that ranked it best first. */
  readonly providers: readonly string[];
  readonly work?: ScholarlyWork;
}

/** What one query or one URL of a call brought back. */
export interface Section {
  /** The query or URL that this section answers. */
  readonly label: string;
  readonly passages: readonly Passage[];
  /** Pages to read, best first; from searches of the web. Absent where nobody there was asked or answered. */
  readonly hits?: readonly SearchHit[];
  /** Who chose the passages, where the run's model may read pages. */
  readonly chosen?: Choice;
  /** Further passages and hits that were left out for lack of room. */
  readonly omitted?: number;
  readonly fault?: ToolFault;
}

/** `model`: it read the page for the goal, and each passage is its word-for-word quotation; `words`: they fit the goal's words. */
export type Choice = { readonly by: 'model' } | { readonly by: 'words'; readonly because: string };

/** The typed result of a tool call. Every passage's `sha256` is among `sources`. */
export interface Observation {
  readonly sections: readonly Section[];
  readonly sources: readonly SourceDocument[];
  /** Whose data the hits are and on which terms, by the name of the provider; absent where there are none. */
  readonly attributions?: Readonly<Record<string, string>>;
  /** What the model cost that read the pages; absent where none was asked. */
  readonly reading?: ReadingUsage;
}
