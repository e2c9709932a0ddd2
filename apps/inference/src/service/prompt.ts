/** Prompts of requests as the tokens that the model reads; Generate and CountTokens share every line of it. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { inference } from '#contracts/rpc';
import { InvalidInput } from '#errors';
import type { PromptTokens } from '#moe';
import type { Tokenizer } from '#tokens';

/** As the generated code has it. */
export type AskedPrompt = inference.CountTokensRequest['prompt'];

const ROLES: ReadonlySet<string> = new Set(['system', 'user', 'assistant', 'tool']);
const MOST_MESSAGES = 10_000;
/** Some ten milliseconds of encoding. */
const SLICE_CHARACTERS = 8_192;
/** As much of a prompt's end as may hold an open thinking tag and what a template puts behind it. */
const ENDING_CHARACTERS = 64;
const ENDING_TOKENS = 16;

/**
 * Renders and encodes, in slices between which other work goes on.
 * @throws InvalidInput naming each field that cannot be used
 */
export async function promptOf(asked: AskedPrompt, tokenizer: Tokenizer, vocabulary: number): Promise<PromptTokens> {
  switch (asked?.$case) {
    case undefined:
      throw fault('prompt', 'is missing: give messages or token_ids');
    case 'tokenIds':
      return fromIds(asked.value.ids, tokenizer, vocabulary);
    case 'messages':
      return await fromMessages(asked.value.messages, tokenizer);
  }
}

function fromIds(ids: readonly number[], tokenizer: Tokenizer, vocabulary: number): PromptTokens {
  if (ids.length === 0) throw fault('token_ids.ids', 'is empty: a reply needs a prompt');
  const wrong = ids.findIndex((id) => id >= vocabulary);
  if (wrong >= 0) {
    throw fault(`token_ids.ids[${wrong}]`, `is ${ids[wrong]}; the model's tokens are 0 to ${vocabulary - 1}`);
  }
  return { ids, ending: tokenizer.decode(ids.slice(-ENDING_TOKENS)) };
}

async function fromMessages(messages: readonly inference.Message[], tokenizer: Tokenizer): Promise<PromptTokens> {
  if (messages.length === 0) throw fault('messages.messages', 'is empty: a reply needs a prompt');
  if (messages.length > MOST_MESSAGES) {
    throw fault('messages.messages', `has ${messages.length} messages; at most ${MOST_MESSAGES} are taken`);
  }
  const strange = messages.findIndex(({ role }) => !ROLES.has(role));
  if (strange >= 0) {
    const path = `messages.messages[${strange}].role`;
    throw fault(path, `is "${messages[strange]?.role.slice(0, 40)}"; known: ${[...ROLES].join(', ')}`);
  }
  const text = rendered(messages, tokenizer);
  return { ids: await encoded(text, tokenizer), ending: text.slice(-ENDING_CHARACTERS) };
}

function rendered(messages: readonly inference.Message[], tokenizer: Tokenizer): string {
  try {
    return tokenizer.renderChat(messages, { addGenerationPrompt: true });
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    const [problem] = error.problems;
    throw fault('messages', problem?.message ?? error.message, error);
  }
}

async function encoded(text: string, tokenizer: Tokenizer): Promise<number[]> {
  const ids: number[] = [];
  let characters = 0;
  for (const piece of tokenizer.pieces(text)) {
    for (const id of tokenizer.encode(piece)) ids.push(id);
    characters += piece.length;
    if (characters < SLICE_CHARACTERS) continue;
    characters = 0;
    await nextTurn();
  }
  return ids;
}

function fault(path: string, message: string, cause?: unknown): InvalidInput {
  return new InvalidInput([{ path, message }], { cause });
}
