import type { ToolCall } from './conversation.ts';
import { type Cost, dearestPrices, nanoUsdOf, type Prices, type Pricing, toNanoUsd, toUsd } from './money.ts';
import type { ModelUsage, ReadingUsage } from './usage.ts';

/** What a run may spend. Absent means no limit of that kind. */
export interface Budget {
  /** Model calls, the final answer's included. At least 1. */
  readonly steps: number;
  /** Prompt plus completion tokens of all model calls, cached ones included. */
  readonly tokens?: number;
  /** Wall time since the run was first claimed. */
  readonly seconds?: number;
  readonly usd?: number;
  /** Completion tokens of all model calls. */
  readonly outputTokens?: number;
  /** Calls of tools. Those that a model asks for beyond it are not made, and not answered. */
  readonly toolCalls?: number;
}

/** Everything that bounds a run; frozen when it is accepted. */
export interface Limits extends Pricing {
  readonly budget: Budget;
  /** ISO instant by which the run is to end; `fromStart` makes seconds of it. */
  readonly deadline?: string;
  /** Context window of the model in tokens; null for no window. */
  readonly contextTokens: number | null;
  /** Longest reply of an ordinary step, in tokens. */
  readonly replyTokens: number;
  /** Kept back from every budget for the final answer, in tokens. */
  readonly answerTokens: number;
  /**
   * Most that the results of one step may add to the context, in tokens: calls of one reply share it, and what goes
   * beyond is left out. 0 for no limit.
   */
  readonly observationTokens: number;
  /** Kept back from `budget.seconds` for the final answer and its verification. */
  readonly answerSeconds: number;
  /** Most that reading one page may cost; absent where the model reads none and words alone choose passages. */
  readonly reading?: ReadingLimits;
}

/**
 * The limits of a run that started then: a deadline becomes seconds since the start, the same at every later claim.
 * A run that waited long keeps less back for its answer; none is left behind the deadline.
 */
export function fromStart(limits: Limits, startedAtMs: number): Limits {
  const { budget, deadline, answerSeconds } = limits;
  if (deadline === undefined) return limits;
  const leftSeconds = Math.max(0, (Date.parse(deadline) - startedAtMs) / 1000);
  const seconds = Math.min(budget.seconds ?? leftSeconds, leftSeconds);
  return { ...limits, budget: { ...budget, seconds }, answerSeconds: Math.min(answerSeconds, seconds / 4) };
}

/** Tokens of the one model call that reads a page. The prompt is an estimate where nothing counts it. */
export interface ReadingLimits {
  readonly promptTokens: number;
  readonly replyTokens: number;
}

/** Why a run ended before its researcher was done. */
export type LimitReason =
  | 'max_tokens'
  | 'max_steps'
  | 'max_seconds'
  | 'max_usd'
  | 'max_output_tokens'
  | 'max_tool_calls'
  | 'context'
  | 'no_progress';

/** What a run has spent so far. */
export interface Spending extends Cost {
  /** Replies, which are the steps of a budget. */
  readonly modelCalls: number;
  /** Model calls that read pages, which are no steps; absent where there were none. */
  readonly readings?: number;
  readonly toolCalls: number;
}

export const nothingSpent: Spending = {
  modelCalls: 0,
  toolCalls: 0,
  promptTokens: 0,
  cachedTokens: 0,
  completionTokens: 0,
  nanoUsd: 0,
  feesNanoUsd: 0,
};

/** Adds one model call. */
export function spendModelCall(spent: Spending, usage: ModelUsage, prices: Prices | null): Spending {
  const { gpuMs } = usage;
  return {
    ...spent,
    modelCalls: spent.modelCalls + 1,
    promptTokens: spent.promptTokens + usage.promptTokens,
    cachedTokens: spent.cachedTokens + usage.cachedTokens,
    completionTokens: spent.completionTokens + usage.completionTokens,
    nanoUsd: spent.nanoUsd + (prices === null ? 0 : nanoUsdOf(usage, prices)),
    ...(gpuMs === undefined ? {} : { gpuMs: (spent.gpuMs ?? 0) + gpuMs }),
  };
}

/** Adds what the reading of pages cost. */
export function spendReadings(spent: Spending, readings: readonly ReadingUsage[], prices: Prices | null): Spending {
  return readings.reduce((sum, usage) => {
    const { modelCalls, ...after } = spendModelCall(sum, usage, prices);
    return { ...after, modelCalls: modelCalls - 1, readings: (sum.readings ?? 0) + usage.calls };
  }, spent);
}

/** Adds the fees of calls. */
export function spendToolCalls(
  spent: Spending,
  calls: readonly ToolCall[],
  toolUsd: Readonly<Record<string, number>>,
): Spending {
  const fees = calls.reduce((sum, { tool }) => sum + toNanoUsd(toolUsd[tool] ?? 0), 0);
  return {
    ...spent,
    toolCalls: spent.toolCalls + calls.length,
    nanoUsd: spent.nanoUsd + fees,
    feesNanoUsd: spent.feesNanoUsd + fees,
  };
}

/** Whether and how the next model call may be made. */
export type Permit =
  | { readonly kind: 'research'; readonly maxCompletionTokens: number }
  /** Only the final answer still fits. */
  | { readonly kind: 'answer'; readonly maxCompletionTokens: number; readonly reason: LimitReason }
  /** Not even that: the report is built from the evidence at hand. */
  | { readonly kind: 'stop'; readonly reason: LimitReason };

/** A final answer shorter than this is not worth a call, unless none longer was configured. */
const leastAnswerTokens = 128;

/** What a call costs is rounded to a billionth of a USD, and so are sums of prices; less than this is nothing. */
const roundingUsd = 1e-9;

/**
 * Decides on the next model call so that a final answer always stays affordable.
 * A research step is permitted only if, after its longest reply and largest observation, an answer over the grown
 * context still fits every budget; otherwise the answer is asked for now.
 * @param promptTokens size of the prompt about to be sent
 * @param elapsedSeconds since the run was first claimed
 */
export function permit(spent: Spending, promptTokens: number, elapsedSeconds: number, limits: Limits): Permit {
  const { budget } = limits;
  if (spent.modelCalls >= budget.steps) return { kind: 'stop', reason: 'max_steps' };
  if (budget.seconds !== undefined && elapsedSeconds >= budget.seconds) return { kind: 'stop', reason: 'max_seconds' };
  const affordable = answerRoom(spent, promptTokens, limits);
  if (affordable.tokens < Math.min(leastAnswerTokens, limits.answerTokens))
    return { kind: 'stop', reason: affordable.reason };
  const answer = Math.min(limits.answerTokens, affordable.tokens);
  const reason = reasonToAnswer(spent, promptTokens, elapsedSeconds, limits);
  if (reason !== null) return { kind: 'answer', maxCompletionTokens: answer, reason };
  return { kind: 'research', maxCompletionTokens: Math.max(limits.replyTokens, 1) };
}

/** Tokens that an answer to this prompt may still have, and which limit sets that number. */
function answerRoom(spent: Spending, promptTokens: number, limits: Limits): { tokens: number; reason: LimitReason } {
  const { budget, contextTokens } = limits;
  const prices = dearestPrices(limits);
  const rooms: { tokens: number; reason: LimitReason }[] = [];
  if (contextTokens !== null) rooms.push({ tokens: contextTokens - promptTokens, reason: 'context' });
  if (budget.tokens !== undefined) {
    rooms.push({ tokens: budget.tokens - tokensOf(spent) - promptTokens, reason: 'max_tokens' });
  }
  if (budget.outputTokens !== undefined) {
    rooms.push({ tokens: budget.outputTokens - spent.completionTokens, reason: 'max_output_tokens' });
  }
  if (budget.usd !== undefined && prices !== null) {
    const left = budget.usd + roundingUsd - toUsd(spent.nanoUsd) - (promptTokens * dearestPromptUsd(prices)) / 1e6;
    // A free completion divides to infinity: unlimited while the prompt is paid for, impossible when it is not.
    rooms.push({ tokens: left < 0 ? -1 : Math.floor((left / prices.completionUsd) * 1e6), reason: 'max_usd' });
  }
  return rooms.reduce((least, room) => (room.tokens < least.tokens ? room : least), {
    tokens: Number.MAX_SAFE_INTEGER,
    reason: 'context',
  });
}

function reasonToAnswer(
  spent: Spending,
  promptTokens: number,
  elapsedSeconds: number,
  limits: Limits,
): LimitReason | null {
  const { budget, contextTokens } = limits;
  const prices = dearestPrices(limits);
  const grownPrompt = promptTokens + limits.replyTokens + limits.observationTokens;
  if (spent.modelCalls + 1 >= budget.steps) return 'max_steps';
  if (callRoom(spent, limits) <= 0) return 'max_tool_calls';
  const replies = limits.replyTokens + limits.answerTokens;
  if (budget.outputTokens !== undefined && spent.completionTokens + replies > budget.outputTokens)
    return 'max_output_tokens';
  if (budget.seconds !== undefined && elapsedSeconds >= budget.seconds - limits.answerSeconds) return 'max_seconds';
  if (contextTokens !== null && grownPrompt + limits.answerTokens > contextTokens) return 'context';
  const bothCalls = promptTokens + limits.replyTokens + grownPrompt + limits.answerTokens;
  if (budget.tokens !== undefined && tokensOf(spent) + bothCalls > budget.tokens) return 'max_tokens';
  if (budget.usd !== undefined && prices !== null) {
    const prompts = (promptTokens + grownPrompt) * dearestPromptUsd(prices);
    if (toUsd(spent.nanoUsd) + (prompts + replies * prices.completionUsd) / 1e6 > budget.usd) return 'max_usd';
  }
  return null;
}

/** Tool calls that may still be made. */
export function callRoom(spent: Spending, { budget }: Limits): number {
  return (budget.toolCalls ?? Number.POSITIVE_INFINITY) - spent.toolCalls;
}

/** What a prompt token may cost: some servers charge more for writing the cache than for reading the prompt. */
export function dearestPromptUsd({ promptUsd, cachedUsd }: Prices): number {
  return Math.max(promptUsd, cachedUsd);
}

/** Tokens as budgets count them: all of prompt and completion. */
export function tokensOf(spent: Spending): number {
  return spent.promptTokens + spent.completionTokens;
}
