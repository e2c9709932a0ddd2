/** What the record says of the times of a run. Instants are ms since 1970, by the database's clock. */
import type { ReplyTimes } from '../conversation.ts';
import type { Cost } from '../money.ts';
import type { ModelUsage } from '../usage.ts';

/** One committed step. */
export interface StepTimes {
  /** Claims of the run until then: another number than that of the step before means that it changed hands between them. */
  readonly epoch: number;
  readonly committedMs: number;
  /** Of the event that the step is. */
  readonly kind: string;
  /** Of a reply. */
  readonly usage: ModelUsage | null;
  /** Of a reply; null where an earlier release wrote it. */
  readonly times: ReplyTimes | null;
  /** Null where an earlier release wrote it, or nobody worked it out. */
  readonly cost: Cost | null;
  /** What went wrong with the model, where that ended the run. */
  readonly message: string | null;
}

/** One tool call. `step` counts replies from 0, `index` the calls of that reply. */
export interface CallTimes {
  readonly step: number;
  readonly index: number;
  readonly tool: string;
  /** Null where they are too long to be told. */
  readonly args: Readonly<Record<string, unknown>> | null;
  /** How often it was begun. */
  readonly attempts: number;
  /** Of the last attempt. */
  readonly startedMs: number | null;
  readonly endedMs: number | null;
}

/** A part of a call that brought nothing. */
export interface CallFault {
  readonly step: number;
  readonly tool: string;
  readonly kind: string;
  readonly message: string;
}

/** A run with all that explains where its time went. */
export interface RunTimes {
  readonly runId: string;
  readonly status: string;
  readonly model: string;
  readonly acceptedMs: number;
  /** Null until a worker has taken it. */
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  readonly nowMs: number;
  /** Oldest first. */
  readonly steps: readonly StepTimes[];
  readonly calls: readonly CallTimes[];
  readonly faults: readonly CallFault[];
  /** All that it has spent. */
  readonly spent: Cost;
  /** How often it found no place at its model and was put off. */
  readonly putOff: number;
  /** Replies that were lost with a worker and bought again, and their estimated prompt tokens. */
  readonly lost: { readonly modelCalls: number; readonly promptTokens: number };
}
