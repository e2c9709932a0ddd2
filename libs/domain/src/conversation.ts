import type { Observation, Passage, SearchHit, SourceDocument, ToolFault } from './observation.ts';
import type { ModelUsage } from './usage.ts';

/** A tool call as a model asked for it: the name and arguments are not yet checked. */
export interface ToolCall {
  readonly tool: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** A quotation that a draft answer leans on. Offsets are known only when the author copied by offset. */
export interface DraftCitation {
  /** A source id shown to the model (`s3`) or the snapshot's sha256. */
  readonly source: string;
  readonly quote: string;
  readonly start?: number;
  readonly end?: number;
}

/** One stretch of a draft answer. `claim: false` marks framing (headings, notices) that asserts nothing about the world. */
export interface AnswerPart {
  readonly text: string;
  readonly claim: boolean;
  readonly citations: readonly DraftCitation[];
}

/** What a model call came to, already parsed by its profile. */
export interface ModelReply {
  /** The generated text exactly as it came, kept so that the next prompt can append to it. Empty for `extractive`. */
  readonly text: string;
  readonly calls: readonly ToolCall[];
  readonly answer?: readonly AnswerPart[];
  /** The JSON that fills the run's output schema, where that was ordered. */
  readonly output?: DraftOutput;
  /** Why the text could be neither run nor taken as an answer; told back to the model word for word. */
  readonly problem?: string;
  readonly usage: ModelUsage;
  /** Absent in replies that earlier releases wrote down. */
  readonly times?: ReplyTimes;
}

/** How long a reply took, in ms, by the clock of whoever asked. What nobody can tell is absent. */
export interface ReplyTimes {
  /** From the question to the end, all tries and the waits between them included. */
  readonly ms?: number;
  /** Of these, until its first text. */
  readonly firstMs?: number;
  /** Of these, until the engine had a place for it. */
  readonly queuedMs?: number;
  /** How often it was asked for. */
  readonly tries?: number;
}

/** An object that is to fit an output schema, and what its fields lean on. Neither is checked yet. */
export interface DraftOutput {
  readonly value: unknown;
  /** Quotations by JSON Pointer (RFC 6901) of the field that they prove: `/born/year`. */
  readonly citations: Readonly<Record<string, readonly DraftCitation[]>>;
}

/** One entry of the history that a model is shown, oldest first. Append-only within a context. */
export type Turn =
  /** `urls`: pages the user named, to be read whatever else is found. */
  | { readonly role: 'question'; readonly text: string; readonly urls?: readonly string[] }
  | { readonly role: 'model'; readonly text: string; readonly calls: readonly ToolCall[] }
  | { readonly role: 'tools'; readonly results: readonly ToolOutcome[] }
  /** Words of the loop itself: a malformed call explained, a circle pointed out. */
  | { readonly role: 'notice'; readonly text: string }
  | Order
  | Digest;

/** The order to finish: the reply to it calls no tool. With a schema, it fills that; else it is the answer. */
export interface Order {
  readonly role: 'order';
  readonly schema?: OutputSchema;
}

/** A JSON Schema (2020-12) whose root is an object. */
export type OutputSchema = Readonly<Record<string, unknown>>;

/** What stands for the turns between the question and those that follow, since the context was full. */
export interface Digest {
  readonly role: 'digest';
  /** Every query and address of those turns, oldest first. */
  readonly lookups: readonly Lookup[];
  /** Evidence of those turns that was kept, word for word, in order of source and place. */
  readonly passages: readonly Passage[];
  /** Every source of those turns in order of first appearance, so that numbers given to them stay. */
  readonly sources: readonly SourceDocument[];
  /** Pages that searches of those turns named and that were not asked for, the most promising first. */
  readonly unread?: readonly Pointer[];
}

/** What is kept of a hit. */
export type Pointer = Pick<SearchHit, 'url' | 'title'>;

/** One query or address, and what came of it. */
export interface Lookup {
  readonly tool: string;
  readonly label: string;
  readonly passages: number;
  /** Pages that it named; absent where it looked for none. */
  readonly hits?: number;
  readonly fault?: ToolFault['kind'];
}

/** A finished call beside what it gave. */
export interface ToolOutcome {
  readonly call: ToolCall;
  readonly observation: Observation;
  /** Set where nobody waited for the result any more; the observation says so. */
  readonly late?: true;
}
