/** What a scripted model says: the forms of the profile `tongyi-v1`. */
import type { ModelServer, RecordedRequest } from './model-server.ts';

export function thinkAndCall(tool: string, args: object): string {
  const call = JSON.stringify({ name: tool, arguments: args });
  return `<think>I look it up.</think>\n<tool_call>\n${call}\n</tool_call>`;
}

export function thinkAndAnswer(markdown: string): string {
  return `<think>That will do.</think>\n<answer>${markdown}</answer>`;
}

/** `--model` for a scripted server. */
export function specOf({ baseUrl }: ModelServer): string {
  return `openai:${baseUrl}#scripted`;
}

/** The question of the run that a request belongs to. */
export function questionOf({ body }: RecordedRequest): string {
  return body.messages.find(({ role }) => role === 'user')?.content ?? '';
}

/** Tool results that a request carries. */
export function toolResponsesIn({ body }: RecordedRequest): string[] {
  return body.messages.map(({ content }) => content).filter((content) => content.startsWith('<tool_response>'));
}
