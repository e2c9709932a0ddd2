import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { limitsOf } from '../../../test/support/research.ts';
import {
  fromStart,
  type Limits,
  nothingSpent,
  type Permit,
  permit,
  type Spending,
  spendModelCall,
  tokensOf,
} from './budget.ts';

const spentOf = (changes: Partial<Spending>): Spending => ({ ...nothingSpent, ...changes });
const prices = { promptUsd: 1, cachedUsd: 0.1, completionUsd: 4 };

describe('fromStart', () => {
  const start = Date.parse('2026-01-31T12:00:00Z');
  const limits = limitsOf({ deadline: '2026-01-31T12:00:40.000Z', answerSeconds: 20 });

  it('makes the time to the deadline a budget in seconds, with a reserve that fits it', () => {
    expect(fromStart(limits, start)).toMatchObject({ budget: { seconds: 40 }, answerSeconds: 10 });
    expect(fromStart(limitsOf(), start)).toEqual(limitsOf());
  });

  it('keeps to whichever comes first, the deadline or the budget', () => {
    const secondsOf = (seconds: number) =>
      fromStart({ ...limits, budget: { steps: 9, seconds } }, start).budget.seconds;
    expect([secondsOf(30), secondsOf(50)]).toEqual([30, 40]);
  });

  it('leaves a run that starts behind its deadline nothing to ask a model for', () => {
    const late = fromStart(limits, start + 60_000);
    expect(permit(nothingSpent, 1000, 0, late)).toEqual({ kind: 'stop', reason: 'max_seconds' });
  });
});

describe('permit', () => {
  it('lets a run without limits research on', () => {
    expect(permit(nothingSpent, 1e6, 1e6, limitsOf())).toEqual({ kind: 'research', maxCompletionTokens: 100 });
  });

  // What the next step may cost: 1000 prompt + 100 reply, then (1000 + 100 + 50) prompt + 200 answer = 2450 tokens.
  it.each<[string, Partial<Limits>, Partial<Limits>, string]>([
    ['tokens', { budget: { steps: 9, tokens: 2450 } }, { budget: { steps: 9, tokens: 2449 } }, 'max_tokens'],
    ['context', { contextTokens: 1350 }, { contextTokens: 1349 }, 'context'],
    ['steps', { budget: { steps: 2 } }, { budget: { steps: 1 } }, 'max_steps'],
    [
      'money',
      { prices, budget: { steps: 9, usd: 0.00336 } },
      { prices, budget: { steps: 9, usd: 0.00334 } },
      'max_usd',
    ],
    [
      'output tokens',
      { budget: { steps: 9, outputTokens: 300 } },
      { budget: { steps: 9, outputTokens: 299 } },
      'max_output_tokens',
    ],
    ['tool calls', { budget: { steps: 9, toolCalls: 1 } }, { budget: { steps: 9, toolCalls: 0 } }, 'max_tool_calls'],
    ['time', { budget: { steps: 9, seconds: 15.1 } }, { budget: { steps: 9, seconds: 15 } }, 'max_seconds'],
  ])(
    'asks for the answer as soon as one more step would not leave room for it: %s',
    (_name, enough, tooLittle, reason) => {
      expect(permit(nothingSpent, 1000, 10, limitsOf({ observationTokens: 50, ...enough })).kind).toBe('research');
      expect(permit(nothingSpent, 1000, 10, limitsOf({ observationTokens: 50, ...tooLittle }))).toEqual({
        kind: 'answer',
        maxCompletionTokens: 200,
        reason,
      });
    },
  );

  it('shortens the answer to what is left, down to the least that is worth a call', () => {
    const limits = limitsOf({ budget: { steps: 9, tokens: 1128 } });
    expect(permit(nothingSpent, 1000, 0, limits)).toMatchObject({ kind: 'answer', maxCompletionTokens: 128 });
    expect(permit(nothingSpent, 1001, 0, limits)).toEqual({ kind: 'stop', reason: 'max_tokens' });
  });

  it('never holds a short answer for unaffordable when no longer one was configured', () => {
    const limits = limitsOf({ answerTokens: 40, budget: { steps: 9, tokens: 1040 } });
    expect(permit(nothingSpent, 1000, 0, limits)).toMatchObject({ kind: 'answer', maxCompletionTokens: 40 });
  });

  it.each<[string, Partial<Limits>, Partial<Spending>, string]>([
    ['steps', { budget: { steps: 3 } }, { modelCalls: 3 }, 'max_steps'],
    ['seconds', { budget: { steps: 3, seconds: 10 } }, {}, 'max_seconds'],
    ['tokens', { budget: { steps: 3, tokens: 2000 } }, { promptTokens: 600, completionTokens: 400 }, 'max_tokens'],
    ['output tokens', { budget: { steps: 3, outputTokens: 1000 } }, { completionTokens: 900 }, 'max_output_tokens'],
    ['context', { contextTokens: 1100 }, {}, 'context'],
    ['money', { prices, budget: { steps: 3, usd: 0.002 } }, { nanoUsd: 1e6 }, 'max_usd'],
    [
      'money for the prompt alone',
      { prices: { promptUsd: 1, cachedUsd: 1, completionUsd: 0 }, budget: { steps: 3, usd: 0.002 } },
      { nanoUsd: 1.1e6 },
      'max_usd',
    ],
    ['the tightest of several', { contextTokens: 1100, budget: { steps: 3, tokens: 1050 } }, {}, 'max_tokens'],
  ])('stops with the limit that leaves no room for an answer: %s', (_name, changes, spent, reason) => {
    expect(permit(spentOf(spent), 1000, 10, limitsOf(changes))).toEqual({ kind: 'stop', reason });
  });

  it('counts cached tokens against the token budget like all others', () => {
    const spent = spentOf({ promptTokens: 900, cachedTokens: 900, completionTokens: 10 });
    expect(tokensOf(spent)).toBe(910);
    expect(permit(spent, 100, 0, limitsOf({ budget: { steps: 9, tokens: 1000 } }))).toMatchObject({ kind: 'stop' });
  });
});

interface Spender {
  readonly limits: Limits;
  readonly firstPrompt: number;
  /** How much of its permit each call uses, and how large each observation is, as shares. */
  readonly uses: readonly { readonly reply: number; readonly seen: number; readonly cached: number }[];
}

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const defined = (budget: Record<string, number | undefined>) =>
  Object.fromEntries(Object.entries(budget).filter(([, value]) => value !== undefined));

const price = fc.double({ min: 0, max: 20, noNaN: true });
const spenders: fc.Arbitrary<Spender> = fc
  .record({
    steps: fc.integer({ min: 1, max: 12 }),
    tokens: optional(fc.integer({ min: 1, max: 60_000 })),
    outputTokens: optional(fc.integer({ min: 1, max: 20_000 })),
    usd: optional(fc.double({ min: 1e-6, max: 0.5, noNaN: true })),
    contextTokens: fc.option(fc.integer({ min: 1, max: 20_000 }), { nil: null }),
    replyTokens: fc.integer({ min: 1, max: 4000 }),
    answerTokens: fc.integer({ min: 0, max: 4000 }),
    observationTokens: fc.integer({ min: 0, max: 4000 }),
    prices: fc.record({ promptUsd: price, cachedUsd: price, completionUsd: price }),
    firstPrompt: fc.integer({ min: 0, max: 8000 }),
    uses: fc.array(fc.record({ reply: share(), seen: share(), cached: share() }), { minLength: 12, maxLength: 12 }),
  })
  .map(({ steps, tokens, outputTokens, usd, firstPrompt, uses, ...rest }) => ({
    limits: limitsOf({ ...rest, budget: { steps, ...defined({ tokens, outputTokens, usd }) } }),
    firstPrompt,
    uses,
  }));

function share(): fc.Arbitrary<number> {
  return fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true }));
}

interface Outing {
  readonly spent: Spending;
  readonly permits: readonly Permit[];
  /** Size of each prompt with the longest completion that it was permitted. */
  readonly contexts: readonly number[];
}

/** Follows the permits as a model would that never exceeds them, until an answer was given or a stop came. */
function follow({ limits, firstPrompt, uses }: Spender): Outing {
  const permits: Permit[] = [];
  const contexts: number[] = [];
  let spent = nothingSpent;
  let promptTokens = firstPrompt;
  for (const use of uses) {
    const allowed = permit(spent, promptTokens, 0, limits);
    permits.push(allowed);
    if (allowed.kind === 'stop') break;
    const completionTokens = Math.floor(use.reply * allowed.maxCompletionTokens);
    const cachedTokens = Math.floor(use.cached * promptTokens);
    contexts.push(promptTokens + allowed.maxCompletionTokens);
    spent = spendModelCall(spent, { promptTokens, cachedTokens, completionTokens }, limits.prices);
    if (allowed.kind === 'answer') break;
    promptTokens += completionTokens + Math.floor(use.seen * limits.observationTokens);
  }
  return { spent, permits, contexts };
}

describe('a run that follows its permits', () => {
  const runs = { numRuns: 2000 };

  it('never spends more than its budget, nor overflows its context', () => {
    fc.assert(
      fc.property(spenders, (spender) => {
        const { spent, contexts } = follow(spender);
        const { budget, contextTokens } = spender.limits;
        expect(spent.modelCalls).toBeLessThanOrEqual(budget.steps);
        expect(tokensOf(spent)).toBeLessThanOrEqual(budget.tokens ?? Number.POSITIVE_INFINITY);
        expect(spent.completionTokens).toBeLessThanOrEqual(budget.outputTokens ?? Number.POSITIVE_INFINITY);
        // Sums of prices are rounded; two billionths of a dollar are none.
        expect(spent.nanoUsd / 1e9).toBeLessThanOrEqual((budget.usd ?? Number.POSITIVE_INFINITY) + 2e-9);
        expect(Math.max(0, ...contexts)).toBeLessThanOrEqual(contextTokens ?? Number.POSITIVE_INFINITY);
      }),
      runs,
    );
  });

  it('can always afford its final answer, in full, once it was let research', () => {
    fc.assert(
      fc.property(spenders, (spender) => {
        const { permits } = follow(spender);
        if (permits[0]?.kind !== 'research') return;
        expect(permits.at(-1)).toMatchObject({ kind: 'answer' });
        const last = permits.at(-1);
        const length = last?.kind === 'answer' ? last.maxCompletionTokens : 0;
        // One token may fall to the rounding of money.
        expect(length).toBeGreaterThanOrEqual(spender.limits.answerTokens - 1);
      }),
      runs,
    );
  });
});
