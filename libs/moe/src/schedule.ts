/** Which tokens the next step computes. Pure: a later scheduler takes its place without touching the loop. */

/** A generation that has its place in the batch. */
export interface Task {
  /** Tokens that it has and the model has not seen; at least 1. */
  readonly pendingTokens: number;
  /** True once its reply has begun: what is pending is the token just chosen. */
  readonly decoding: boolean;
  /** Higher goes first; of equals, the one that came first. */
  readonly priority: number;
}

/**
 * Replies under way go on by a token each; what is left of the step's budget goes to prompts, in pieces where it must.
 * @param tasks in the order of their coming
 * @param stepTokens most tokens of one step; at least as many as there are tasks, so that no reply sits out
 * @returns for each task how many of its pending tokens are computed, 0 for none
 */
export function nextBatch(tasks: readonly Task[], stepTokens: number): number[] {
  const given = tasks.map(({ decoding, pendingTokens }) => (decoding ? pendingTokens : 0));
  let left = stepTokens - given.reduce((sum, tokens) => sum + tokens, 0);
  const prompts = [...tasks.keys()].filter((at) => tasks[at]?.decoding === false);
  for (const at of inOrder(prompts, (place) => tasks[place]?.priority ?? 0)) {
    const tokens = Math.min(tasks[at]?.pendingTokens ?? 0, Math.max(left, 0));
    given[at] = tokens;
    left -= tokens;
  }
  return given;
}

/** By falling priority; of equals, as they stand. */
export function inOrder<T>(all: readonly T[], priorityOf: (one: T) => number): T[] {
  return all.toSorted((a, b) => priorityOf(b) - priorityOf(a));
}
