import { dearestPromptUsd, type Limits, type Spending, spendToolCalls, tokensOf } from './budget.ts';
import type { ModelReply, ToolOutcome } from './conversation.ts';
import { dearestFees, dearestPrices, toUsd } from './money.ts';
import type { PlacedCall } from './run-state.ts';
import type { ModelUsage, ReadingUsage } from './usage.ts';

/** The tool whose pages the model may read. */
const visiting = 'visit';

/** Part of what is left behind the reserves that the pages of one step may cost: the rest is for going on. */
const share = 0.5;

/**
 * The calls of a reply with how many of their pages the model may read, in order: so many that, if each costs the most that
 * one may, the longest answer over everything that the calls bring still fits every budget, and half of what is left then
 * is untouched. Calls of a run whose model reads no pages stay as they are.
 */
export function withReadings(
  calls: readonly PlacedCall[],
  { spent, usage }: { readonly spent: Spending; readonly usage: ModelReply['usage'] },
  limits: Limits,
): readonly PlacedCall[] {
  if (limits.reading === undefined) return calls;
  let left = affordable(spendToolCalls(spent, calls, dearestFees(limits)), usage, limits);
  return calls.map((call) => {
    if (call.tool !== visiting) return call;
    const readings = Math.min(pagesOf(call), left);
    left -= readings;
    return { ...call, readings };
  });
}

/** Pages that may be read after calls whose fees are in `spent`; Infinity where nothing limits them. */
function affordable(spent: Spending, usage: ModelUsage, limits: Limits): number {
  const { budget, reading } = limits;
  const prices = dearestPrices(limits);
  if (reading === undefined) return 0;
  const prompt = usage.promptTokens + usage.completionTokens + limits.observationTokens;
  const rooms: number[] = [];
  if (budget.tokens !== undefined) {
    const left = budget.tokens - tokensOf(spent) - prompt - limits.answerTokens;
    rooms.push((left * share) / (reading.promptTokens + reading.replyTokens));
  }
  if (budget.outputTokens !== undefined) {
    const left = budget.outputTokens - spent.completionTokens - limits.answerTokens;
    rooms.push((left * share) / reading.replyTokens);
  }
  if (budget.usd !== undefined && prices !== null) {
    const usd = (promptTokens: number, replyTokens: number) =>
      (promptTokens * dearestPromptUsd(prices) + replyTokens * prices.completionUsd) / 1e6;
    const left = budget.usd - toUsd(spent.nanoUsd) - usd(prompt, limits.answerTokens);
    const each = usd(reading.promptTokens, reading.replyTokens);
    if (each > 0 || left < 0) rooms.push(left < 0 ? 0 : (left * share) / each);
  }
  return Math.max(0, Math.floor(Math.min(...rooms, Number.MAX_SAFE_INTEGER)));
}

/** Addresses that a call names: nobody has checked its arguments. */
function pagesOf({ args }: PlacedCall): number {
  const { url } = args;
  return Array.isArray(url) ? url.length : 1;
}

/**
 * What the reading of pages cost. A call whose result nobody waited for is counted as the most that it may have cost:
 * nobody knows what it did.
 */
export function readingUsage(
  calls: readonly PlacedCall[],
  outcomes: readonly ToolOutcome[],
  { reading }: Limits,
): readonly ReadingUsage[] {
  return outcomes.flatMap(({ late, observation }, index) => {
    const granted = calls[index]?.readings ?? 0;
    if (late !== true) return observation.reading ?? [];
    if (reading === undefined || granted === 0) return [];
    return {
      calls: granted,
      promptTokens: granted * reading.promptTokens,
      cachedTokens: 0,
      completionTokens: granted * reading.replyTokens,
      estimated: true as const,
    };
  });
}
