import type { inference } from '#contracts/rpc';
import type { ModelReply, ToolCall } from '#domain';
import type { ChatRequest } from './chat-model.ts';
import type { Output } from './output-parser.ts';

/** A change of any rendered byte is a new version. */
export type ProfileId = 'tongyi-v1' | 'openai-tools-v1';

/** A tool call as chat completions write it into a prompt. */
export interface MessageCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

/** One message of a chat-completions prompt. */
export type ChatMessage =
  | { readonly role: 'system' | 'user'; readonly content: string }
  | { readonly role: 'assistant'; readonly content: string; readonly tool_calls?: readonly MessageCall[] }
  | { readonly role: 'tool'; readonly tool_call_id: string; readonly content: string };

/** What a model is sent. */
export interface Prompt {
  readonly messages: readonly ChatMessage[];
  /** Fields of the request's body that belong to the prompt: the tools of native calling. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** In place of the profile's. */
  readonly sampling?: Sampling;
  /** Estimated tokens of all of it, a fraction. */
  readonly weight: number;
  /** Estimated tokens up to the end of each turn, oldest first; what follows the last turn is in `weight` alone. */
  readonly weights: readonly number[];
}

/** A call that came apart from the text. `args` is JSON, unless the model got it wrong. */
export interface NativeCall {
  readonly name: string;
  readonly args: string;
}

/** One whole generation as it came from a server. */
export interface Generated {
  readonly output: Output;
  readonly calls: readonly NativeCall[];
  /** The server's `finish_reason`; `length` where the reply was cut at its limit. */
  readonly finish: string | undefined;
  /** True where the engine closed what was open because the tokens ran out: it has its form, and is not whole. */
  readonly isCutShort?: boolean;
}

/** What a generation came to: calls, or an answer, or a problem; never two of them. */
export type ParsedReply = Pick<ModelReply, 'text' | 'answer' | 'output' | 'problem'> & {
  readonly calls: readonly ToolCall[];
};

/** Sampling settings that a model was trained or tuned for. */
export interface Sampling {
  readonly temperature: number;
  readonly topP: number;
  readonly presencePenalty: number;
}

/** The wire protocol of an agent model: how a request becomes a prompt, and a generation becomes calls or an answer. */
export interface Profile {
  readonly id: ProfileId;
  /** Generation ends before the first of these, at the server and again here. */
  readonly stop: readonly string[];
  /** Null: the server's own. */
  readonly sampling: Sampling | null;
  /** What the model was trained for, in tokens; Infinity where the profile is for any model. */
  readonly limits: { readonly contextTokens: number; readonly replyTokens: number };
  /**
   * Append-only: with the same tools and date, the messages of a longer history start with those of a shorter one. A
   * request with `mustAnswer` has one more message at its end. Pure but for a cache by turn: a history costs what is new
   * in it, and O(turns).
   */
  render(request: ChatRequest): Prompt;
  /**
   * What a reply must look like behind its reasoning for `read` to take it; for engines that hold a model to a form.
   * Absent where the form is the server's own.
   */
  readonly form?: (request: ChatRequest) => inference.Grammar;
  /**
   * Never throws: what cannot be used becomes `problem`, written for the model and precise enough to mend the reply.
   * With `mustAnswer`, calls are passed over and an answer beside them is taken; with `outputSchema`, `output` instead.
   */
  read(generated: Generated, request: ChatRequest): ParsedReply;
}
