import type { AnswerPart, ToolCall } from '#domain';
import type { ChatRequest } from './chat-model.ts';

/** One message of a chat-completions prompt. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** What a generated text came to: calls, or an answer, or a problem; never two of them. */
export interface ParsedOutput {
  readonly calls: readonly ToolCall[];
  readonly answer?: readonly AnswerPart[];
  /** Why there is neither; written for the model, precise enough to mend the reply. */
  readonly problem?: string;
}

/** Sampling settings that a model was trained or tuned for. */
export interface Sampling {
  readonly temperature: number;
  readonly topP: number;
  readonly presencePenalty: number;
}

/**
 * The wire protocol of an agent model: how a request becomes a prompt, and a text becomes calls or an answer.
 * Versioned by `id`; a change of any rendered byte is a new version.
 */
export interface Profile {
  /** For example `tongyi-v1`. */
  readonly id: string;
  /** Generation ends before the first of these, at the server and again here. */
  readonly stop: readonly string[];
  readonly sampling: Sampling;
  /**
   * Pure and append-only: with the same tools and date, the messages of a longer history start with those of a shorter
   * one. A request with `mustAnswer` has one more message at its end. Cost O(characters of the history).
   */
  render(request: ChatRequest): ChatMessage[];
  /**
   * Never throws: what cannot be used becomes `problem`.
   * @param mustAnswer true when no call was allowed: calls are then passed over and an answer beside them is taken
   */
  parse(text: string, mustAnswer?: boolean): ParsedOutput;
}
