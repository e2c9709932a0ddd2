import { type LimitReason, type Limits, permit } from './budget.ts';
import { planCompaction } from './context.ts';
import type { ResearchEvent, ResearchState } from './run-state.ts';

/** What is to be done about the model: ask it so, or record this event instead of asking. */
export type NextCall =
  | { readonly kind: 'ask'; readonly forced: LimitReason | null; readonly maxCompletionTokens: number }
  | { readonly kind: 'event'; readonly event: ResearchEvent };

/**
 * Decides on the next model call of a run: within its budgets, and in a context that has room for it. A full context is
 * compacted first, if that helps; only then is the answer demanded.
 * @param promptTokens size of the prompt about to be sent, with the order to answer at its end
 * @param elapsedSeconds since the run was first claimed
 */
export function nextCall(
  state: Extract<ResearchState, { phase: 'thinking' }>,
  promptTokens: number,
  elapsedSeconds: number,
  limits: Limits,
): NextCall {
  const allowed = permit(state.spent, promptTokens, elapsedSeconds, limits);
  if (allowed.kind !== 'research' && allowed.reason === 'context' && limits.contextTokens !== null) {
    const plan = planCompaction(state.turns, state.context, promptTokens, limits.contextTokens);
    if (plan !== null) return { kind: 'event', event: { kind: 'context-compacted', promptTokens, ...plan } };
  }
  if (allowed.kind === 'stop') return { kind: 'event', event: { kind: 'limit-reached', reason: allowed.reason } };
  const demanded = state.aim.kind === 'answer' ? state.aim.reason : null;
  const limited = allowed.kind === 'answer' && state.aim.kind === 'research' ? allowed.reason : null;
  return { kind: 'ask', forced: demanded ?? limited, maxCompletionTokens: allowed.maxCompletionTokens };
}
