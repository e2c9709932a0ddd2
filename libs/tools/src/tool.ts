import type { Observation, SourcePolicy, ToolKind } from '#domain';
import { ArgosyError } from '#errors';

/** What a tool gets besides its arguments. */
export interface ToolContext {
  /** Whose run it is: uploaded corpora are opened as theirs. */
  readonly tenantId: string;
  readonly policy: SourcePolicy;
  /** Fires on cancel, deadline and shutdown; the tool stops and throws {@link Aborted}. */
  readonly signal: AbortSignal;
  /** Stable over retries of the same call: the idempotency key for providers. */
  readonly callId: string;
  /**
   * What of its addresses the call may open besides those that the user named, where its run has documents of its own and
   * the web; null where nobody has said.
   */
  readonly opens: readonly string[] | null;
  /** How the run's model may read pages for the call; null where it reads none. */
  readonly reading: ReadingGrant | null;
  /** The instant to stamp on fetched sources, ISO 8601. */
  readonly now: string;
}

/** Which model may read how many pages of a call, and at most how much of each. */
export interface ReadingGrant {
  /** As requests name it, and the profile that its run was accepted for. */
  readonly model: string;
  readonly profile: string;
  readonly pages: number;
  /** Most that one prompt may have, an estimate where nothing counts it, and most that one reply may have. */
  readonly promptTokens: number;
  readonly replyTokens: number;
}

/** A tool's result: what the model sees, and the snapshot texts that its passages point into, by sha256. */
export interface ToolOutput {
  readonly observation: Observation;
  readonly snapshots: ReadonlyMap<string, string>;
}

/** A tool found that its call takes what only workers of another kind have. Nothing of it was done that costs anything. */
export class ForOthers extends ArgosyError {
  override readonly name = 'ForOthers';
  readonly code = 'for_others';
  readonly retryable = true;
  readonly kind: ToolKind;
  constructor(kind: ToolKind) {
    super(`The call is for workers that offer ${kind} (ARGOSY_TOOLS); this one does not.`);
    this.kind = kind;
  }
}

/** JSON Schema of a tool's arguments, as shown to models. */
export type ToolSchema = Readonly<Record<string, unknown>>;

/** The part of a tool that a model is shown. */
export interface ToolSignature {
  readonly name: string;
  readonly description: string;
  readonly parameters: ToolSchema;
}

/**
 * One thing a run can do. A fault of one query or URL is a `fault` in its section; a call throws only for arguments that
 * do not fit the schema ({@link InvalidInput}), when its signal fires ({@link Aborted}), or {@link ForOthers}.
 */
export interface Tool {
  readonly signature: ToolSignature;
  /** Longest a call may take before its signal is fired. */
  readonly deadlineMs: number;
  /** True when a repeated call could do something twice in the outside world. */
  readonly sideEffects: boolean;
  run(args: Readonly<Record<string, unknown>>, context: ToolContext): Promise<ToolOutput>;
}
