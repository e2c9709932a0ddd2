import type { Turn } from '#domain';
import type { Logger } from '#platform';
import type { ChatRequest } from './chat-model.ts';
import { historyBreaks } from './instruments.ts';
import type { ChatMessage } from './profile.ts';

/** Where a prompt leaves the one before; both count from 0. */
export interface HistoryBreak {
  readonly message: number;
  readonly role: string;
  readonly character: number;
}

/**
 * Where a prompt does not begin with an earlier one and the reply to it, or null. Words beside calls by the API may be
 * written in another way, and are not compared. Cost O(messages), and O(characters) of those that are new objects.
 */
export function breakIn(
  before: readonly ChatMessage[],
  reply: string,
  now: readonly ChatMessage[],
): HistoryBreak | null {
  const expected = [...before.map(({ role, content }) => ({ role, content })), { role: 'assistant', content: reply }];
  for (const [message, { role, content }] of expected.entries()) {
    const there = now[message];
    if (there?.role !== role) return { message, role: there?.role ?? 'none', character: 0 };
    const isBesideCalls = there.role === 'assistant' && there.tool_calls !== undefined;
    if (there.content === content || (isBesideCalls && message === before.length)) continue;
    return { message, role, character: firstDifference(there.content, content) };
  }
  return null;
}

function firstDifference(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}

/** Watches that the prompts of each run only ever grow. One that does not is told, and costs time and no more. */
export class AppendOnly {
  readonly #logger: Logger | undefined;
  /** By a run's first turn, the same object for as long as one worker drives it. */
  readonly #last = new WeakMap<Turn, { readonly messages: readonly ChatMessage[]; readonly reply: string }>();

  constructor(logger: Logger | undefined) {
    this.#logger = logger;
  }

  asked({ turns: [run], session, reading }: ChatRequest, messages: readonly ChatMessage[]): void {
    const last = run && this.#last.get(run);
    if (last === undefined || reading !== undefined) return;
    const broken = breakIn(last.messages, last.reply, messages);
    if (broken === null) return;
    historyBreaks.add(1);
    this.#logger?.log('info', 'history not append-only', { runId: session, ...broken });
  }

  replied({ turns: [run], reading }: ChatRequest, messages: readonly ChatMessage[], reply: string): void {
    if (run !== undefined && reading === undefined) this.#last.set(run, { messages, reply });
  }
}
