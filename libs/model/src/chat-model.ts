import type { ModelReply, OutputSchema, Turn } from '#domain';
import type { FaultKind } from '#errors';
import { ArgosyError } from '#errors';

/** A tool as a model is shown it. */
export interface OfferedTool {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the arguments. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** Everything a model may know when it decides what to do next. */
export interface ChatRequest {
  /** Append-only history; the first turn is the question. */
  readonly turns: readonly Turn[];
  readonly tools: readonly OfferedTool[];
  /** ISO date frozen when the run was accepted, so that the prompt's prefix does not change at midnight. */
  readonly today: string;
  /** True: no tool may be called any more, this reply must be the answer. */
  readonly mustAnswer: boolean;
  /** With `mustAnswer`: the reply is no answer in words, but an object that fits this. */
  readonly outputSchema?: OutputSchema;
  /** In place of the turns, which are the goal alone: a page to read for it. The reply is its quotations. */
  readonly reading?: { readonly goal: string; readonly title: string; readonly parts: readonly string[] };
  readonly maxCompletionTokens: number;
  /** Same value for all calls of a run: lets servers keep its prefix cache. */
  readonly session: string;
  /** Whose run it is; tenants share no cache. Absent: that of everyone. */
  readonly tenant?: string;
  /**
   * What the server said of an earlier prompt of the same history: its first `turns` turns, as the prompt and the reply
   * that ended them, were `tokens` tokens.
   */
  readonly measured?: { readonly turns: number; readonly tokens: number };
  /** The span that asks, as W3C `traceparent`; passed on to the server. */
  readonly traceparent?: string;
  /** Its tenant wants what is asked and answered in its traces. */
  readonly traceContent?: true;
}

/** A piece of text as it is generated. Never stored; lost deltas are made good by the finished reply. */
export type OnDelta = (text: string) => void;

/**
 * The size of a prompt in tokens. `tokenizer`: counted by the model's own tokenizer and chat template. `usage`: what the
 * server said of the same history's beginning, with an estimate of what came behind it. `estimate`: by characters alone.
 */
export interface PromptCount {
  readonly tokens: number;
  readonly basis: 'usage' | 'tokenizer' | 'estimate';
}

/** The one door to every model. */
export interface ChatModel {
  /** Name for reports and telemetry; null when no language model is involved. */
  readonly name: string | null;
  /** Version of the wire protocol, for example `tongyi-v1`. */
  readonly profile: string;
  /** Context window in tokens; Infinity when the model has none. */
  readonly contextTokens: number;
  /**
   * Prompt size of a request, for budgets. A longer history costs what is new in it; a tokenizer's half a second for
   * 100,000 tokens not seen before is spent in slices, between which other runs go on.
   */
  countPrompt(request: ChatRequest): Promise<PromptCount>;
  /**
   * One model call, retried inside by fault class.
   * @throws ModelFault when the model could not be made to reply; Aborted when `signal` fired.
   */
  reply(request: ChatRequest, signal: AbortSignal, onDelta?: OnDelta): Promise<ModelReply>;
  /** A session is over: what servers keep for it may go. Absent where nothing is kept; one that is never told times out. */
  release?(session: Pick<ChatRequest, 'session' | 'tenant'>): Promise<void>;
}

/** A model call failed for good. */
export class ModelFault extends ArgosyError {
  override readonly name: string = 'ModelFault';
  readonly code = 'model_unavailable';
  readonly retryable: boolean;
  readonly kind: FaultKind;
  constructor(kind: FaultKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
    this.retryable = kind === 'transient' || kind === 'quota';
  }
}

/** Every server of the model has its hands full. Whoever can wait without holding a place up comes again later. */
export class ModelBusy extends ModelFault {
  override readonly name = 'ModelBusy';
  readonly retryAfterMs: number;
  constructor(message: string, retryAfterMs: number, options?: ErrorOptions) {
    super('quota', message, options);
    this.retryAfterMs = retryAfterMs;
  }
}
