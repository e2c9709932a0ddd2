import { type NumberedSource, numberSources, type Turn, tokenWeight } from '#domain';
import type { ChatMessage, Prompt } from './profile.ts';

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
  /** Estimated tokens of this turn and all before. */
  readonly weight: number;
  readonly calls: number;
}

/**
 * Renders histories turn by turn and keeps the messages of each turn for as long as the turn lives. They are used again
 * only behind the same turns: a turn in another history is rendered anew.
 * @returns a function of cost O(characters of turns not seen before + turns + sources)
 */
export function historyRenderer(messagesOf: (turn: Turn, place: Place) => readonly ChatMessage[]) {
  const rendered = new WeakMap<Turn, Rendered>();
  return (turns: readonly Turn[]): { messages: ChatMessage[]; weights: number[] } => {
    const messages: ChatMessage[] = [];
    const weights: number[] = [];
    let numbers: ReadonlyMap<string, NumberedSource> | undefined;
    // Ids go by first appearance, so those of the whole history hold for each beginning of it.
    const numbered = () => (numbers ??= numberSources(turns));
    let before: Rendered | null = null;
    for (const turn of turns) {
      const known = rendered.get(turn);
      before = known?.before === before ? known : renderedBehind(before, turn, messagesOf, numbered);
      if (before !== known) rendered.set(turn, before);
      messages.push(...before.messages);
      weights.push(before.weight);
    }
    return { messages, weights };
  };
}

/** The weights of a prompt that has text before its turns' messages and behind them. */
export function weighed(
  weights: readonly number[],
  before: string,
  behind: string,
): Pick<Prompt, 'weight' | 'weights'> {
  const first = tokenWeight(before);
  const shifted = weights.map((weight) => first + weight);
  return { weight: (shifted.at(-1) ?? first) + tokenWeight(behind), weights: shifted };
}

function renderedBehind(
  before: Rendered | null,
  turn: Turn,
  messagesOf: (turn: Turn, place: Place) => readonly ChatMessage[],
  numbered: Place['numbered'],
): Rendered {
  const callsBefore = before?.calls ?? 0;
  const messages = messagesOf(turn, { callsBefore, numbered });
  const weight = messages.reduce((sum, message) => sum + weightOf(message), before?.weight ?? 0);
  return { before, messages, weight, calls: callsBefore + (turn.role === 'model' ? turn.calls.length : 0) };
}

function weightOf(message: ChatMessage): number {
  const calls = message.role === 'assistant' && message.tool_calls ? JSON.stringify(message.tool_calls) : '';
  return tokenWeight(message.content) + tokenWeight(calls);
}
