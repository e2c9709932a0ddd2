/** How large a prompt is in tokens: by the model's tokenizer, by what its server said before, or by an estimate. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Turn } from '#domain';
import { InvalidInput } from '#errors';
import type { TemplateMessage, Tokenizer } from '#tokens';
import type { ChatRequest, PromptCount } from './chat-model.ts';
import type { ChatMessage, Prompt } from './profile.ts';

/**
 * Counts the prompts of one model. Cost: with a tokenizer the new tokens, encoded in slices between which other work
 * goes on, and one rendering and cutting of the whole text, some 3 ms at 100,000 tokens; else O(turns).
 */
export type CountPrompt = (prompt: Prompt, request: ChatRequest) => Promise<PromptCount>;

/** Counts by what the server said of the same history before, else by an estimate. */
export const countByEstimate: CountPrompt = async (prompt, request) => estimated(prompt, request);

function estimated({ weight, weights }: Prompt, { measured, turns }: ChatRequest): PromptCount {
  const known = measured && measured.turns <= turns.length ? weights[measured.turns - 1] : undefined;
  if (!measured || known === undefined) return { tokens: Math.ceil(weight), basis: 'estimate' };
  return { tokens: measured.tokens + Math.ceil(weight - known), basis: 'usage' };
}

/** Some ten milliseconds of encoding. */
const SLICE_CHARACTERS = 8192;

/**
 * Counts what the server makes of a prompt: the chat template renders it whole, and the text is cut where cutting changes
 * no id, so that the counts of the pieces add up to that of the whole whatever the template does. The counts of a
 * history's pieces are kept for as long as its first turn lives: a longer history costs its new pieces, and a template
 * that writes old messages anew costs those.
 * A prompt that the template refuses is estimated.
 */
export function countByTokenizer(tokenizer: Tokenizer): CountPrompt {
  const known = new WeakMap<Turn, ReadonlyMap<string, number>>();
  const newlyEncoded = function* (rendered: string, [first]: readonly Turn[]): Generator<void, number> {
    const before = first && known.get(first);
    const counts = new Map<string, number>();
    let tokens = 0;
    let encoded = 0;
    for (const piece of tokenizer.pieces(rendered)) {
      const count = before?.get(piece) ?? counts.get(piece) ?? tokenizer.count(piece);
      if (!before?.has(piece) && !counts.has(piece)) encoded += piece.length;
      counts.set(piece, count);
      tokens += count;
      if (encoded < SLICE_CHARACTERS) continue;
      encoded = 0;
      yield;
    }
    if (first) known.set(first, counts);
    return tokens;
  };
  return async (prompt, request) => {
    const rendered = renderedBy(tokenizer, prompt);
    if (rendered === null) return estimated(prompt, request);
    const work = newlyEncoded(rendered, request.turns);
    for (let step = work.next(); ; step = work.next()) {
      if (step.done) return { tokens: step.value, basis: 'tokenizer' };
      await nextTurn();
    }
  };
}

/** Null where the template refuses the messages; a server that uses it says so too. */
function renderedBy(tokenizer: Tokenizer, { messages, fields }: Prompt): string | null {
  const tools = Array.isArray(fields['tools']) ? fields['tools'] : undefined;
  try {
    return tokenizer.renderChat(messages.map(asTemplatesRead), { tools, addGenerationPrompt: true });
  } catch (error) {
    if (error instanceof InvalidInput) return null;
    throw error;
  }
}

/** Servers hand the arguments of calls to templates as objects, not as the JSON that came over the wire. */
function asTemplatesRead(message: ChatMessage): TemplateMessage {
  if (message.role !== 'assistant' || !message.tool_calls) return message;
  const calls = message.tool_calls.map(({ function: { name, arguments: json }, ...call }) => {
    return { ...call, function: { name, arguments: JSON.parse(json) } };
  });
  return { ...message, tool_calls: calls };
}
