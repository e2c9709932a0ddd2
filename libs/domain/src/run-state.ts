import type { LimitReason, Spending } from './budget.ts';
import type { Progress } from './circles.ts';
import type { ClaimFault } from './claims.ts';
import type { Compaction, Context } from './context.ts';
import type { AnswerPart, DraftOutput, ModelReply, OutputSchema, ToolCall, ToolOutcome, Turn } from './conversation.ts';

/** A tool call with its place in the run: `step` counts model replies from 0, `index` the calls of that reply. */
export interface PlacedCall extends ToolCall {
  readonly step: number;
  readonly index: number;
  /** Pages that the model may read for it; absent where it reads none in this run. */
  readonly readings?: number;
  /** What of its addresses it may open; absent where the run may open any. */
  readonly opens?: readonly string[];
}

/** How a run ended, before the report is rendered. */
export type Ending =
  | { readonly status: 'completed' }
  | { readonly status: 'incomplete'; readonly reason: LimitReason }
  | { readonly status: 'cancelled' }
  | { readonly status: 'failed'; readonly message: string };

/** What the next reply is for. */
export type Aim =
  | { readonly kind: 'research' }
  /** The answer, since nothing else would come of it: no tool may be called. */
  | { readonly kind: 'answer'; readonly reason: LimitReason }
  /** The answer once more, with the proofs that were missing. */
  | { readonly kind: 'repair' }
  /** An object that fits the run's output schema. */
  | { readonly kind: 'output' };

/** An answer whose quotations were looked up. */
export interface Answered {
  readonly draft: readonly AnswerPart[];
  readonly ending: Ending;
  /** Claims with a proof. */
  readonly supported: number;
}

/** What a run ends with. `output` is null where none was asked for or none could be had; then its faults say why. */
export interface Conclusion {
  readonly draft: readonly AnswerPart[];
  readonly ending: Ending;
  readonly output: DraftOutput | null;
  readonly outputFaults: readonly string[];
}

/** What is to be checked against the sources before the run goes on. */
export type Checkable =
  | { readonly kind: 'answer'; readonly draft: readonly AnswerPart[]; readonly ending: Ending }
  | { readonly kind: 'output'; readonly output: DraftOutput };

/** What is so in every phase. */
export interface Common {
  /** Model replies so far; the step that is now in work has this number. */
  readonly step: number;
  /** All that happened. What of it the model is shown says `context`. */
  readonly turns: readonly Turn[];
  readonly context: Context;
  readonly spent: Spending;
  readonly progress: Progress;
  readonly outputSchema: OutputSchema | null;
  /** Whether pages are opened only at addresses that the run was given or found. */
  readonly opensKnownOnly: boolean;
  /** Null until the model has answered. */
  readonly answered: Answered | null;
  /** Objects given so far that did not fit the schema. */
  readonly outputTries: number;
}

/** Where a run stands. Nothing but the fold of its events. */
export type ResearchState = Common &
  (
    | { readonly phase: 'thinking'; readonly aim: Aim }
    | { readonly phase: 'acting'; readonly calls: readonly PlacedCall[] }
    | { readonly phase: 'checking'; readonly draft: Checkable }
    | { readonly phase: 'concluding'; readonly conclusion: Conclusion }
  );

/** Something that costs money. */
interface Priced {
  /** When: the prices of this instant count. ISO, by the database's clock; absent in events of earlier releases. */
  readonly at?: string;
}

/** What can happen to a run. One event is one durable step; its order in the log is its number. */
export type ResearchEvent =
  /** `forced` says why this was the last word of the research, if it was. */
  | ({ readonly kind: 'model-replied'; readonly reply: ModelReply; readonly forced: LimitReason | null } & Priced)
  | ({ readonly kind: 'tools-returned'; readonly outcomes: readonly ToolOutcome[] } & Priced)
  | ({ readonly kind: 'context-compacted'; readonly promptTokens: number } & Compaction)
  | { readonly kind: 'answer-checked'; readonly supported: number; readonly faults: readonly ClaimFault[] }
  | { readonly kind: 'output-checked'; readonly faults: readonly string[] }
  /** What is left of a budget is the reserve for the answer. */
  | { readonly kind: 'limit-near'; readonly reason: LimitReason }
  | { readonly kind: 'limit-reached'; readonly reason: LimitReason }
  | { readonly kind: 'model-failed'; readonly message: string }
  | { readonly kind: 'cancelled' };

/** What the shell must do next. Exactly one command is outstanding at any time. */
export type Command =
  | { readonly kind: 'ask-model'; readonly aim: Aim }
  | { readonly kind: 'call-tools'; readonly calls: readonly PlacedCall[] }
  | { readonly kind: 'check'; readonly draft: Checkable }
  | ({ readonly kind: 'conclude' } & Conclusion);

/** The event cannot occur in this phase: a bug of the caller, never retried. */
export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation';
}

/** A state without its phase. */
export function common(state: Common): Common {
  const { step, turns, context, spent, progress, outputSchema, opensKnownOnly, answered, outputTries } = state;
  return { step, turns, context, spent, progress, outputSchema, opensKnownOnly, answered, outputTries };
}
