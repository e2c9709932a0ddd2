import { type NumberedSource, numberSources, type Turn } from '#domain';
import type { ChatMessage } from './profile.ts';

/** What a turn's messages may depend on besides the turn: nothing behind it, so that a prompt only ever grows. */
export interface Place {
  /** Tool calls of all turns before. */
  readonly callsBefore: number;
  /** Every source shown up to here, by sha256. */
  numbered(): ReadonlyMap<string, NumberedSource>;
}

interface Rendered {
  readonly before: Rendered | null;
  readonly messages: readonly ChatMessage[];
  /** Of this turn and all before. */
  readonly characters: number;
  readonly calls: number;
}

/**
 * Renders histories turn by turn and keeps the messages of each turn for as long as the turn lives. They are used again
 * only behind the same turns: a turn in another history is rendered anew.
 * @returns a function of cost O(characters of turns not seen before + turns + sources)
 */
export function historyRenderer(messagesOf: (turn: Turn, place: Place) => readonly ChatMessage[]) {
  const rendered = new WeakMap<Turn, Rendered>();
  return (turns: readonly Turn[]): { messages: ChatMessage[]; characters: number } => {
    const messages: ChatMessage[] = [];
    let numbers: ReadonlyMap<string, NumberedSource> | undefined;
    // Ids go by first appearance, so those of the whole history hold for each beginning of it.
    const numbered = () => (numbers ??= numberSources(turns));
    let before: Rendered | null = null;
    for (const turn of turns) {
      const known = rendered.get(turn);
      before = known?.before === before ? known : renderedBehind(before, turn, messagesOf, numbered);
      if (before !== known) rendered.set(turn, before);
      messages.push(...before.messages);
    }
    return { messages, characters: before?.characters ?? 0 };
  };
}

function renderedBehind(
  before: Rendered | null,
  turn: Turn,
  messagesOf: (turn: Turn, place: Place) => readonly ChatMessage[],
  numbered: Place['numbered'],
): Rendered {
  const callsBefore = before?.calls ?? 0;
  const messages = messagesOf(turn, { callsBefore, numbered });
  const characters = messages.reduce((sum, message) => sum + charactersOf(message), before?.characters ?? 0);
  return { before, messages, characters, calls: callsBefore + (turn.role === 'model' ? turn.calls.length : 0) };
}

function charactersOf(message: ChatMessage): number {
  const calls = message.role === 'assistant' && message.tool_calls ? JSON.stringify(message.tool_calls).length : 0;
  return message.content.length + calls;
}
