import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  asked,
  limitsOf,
  observationOf,
  placed,
  requestOf,
  searchOf,
  usageOfCall,
} from '../../../test/support/research.ts';
import { nothingSpent, permit, spendReadings, tokensOf } from './budget.ts';
import type { ToolCall } from './conversation.ts';
import { lateOutcome } from './late.ts';
import { readingUsage, withReadings } from './reading.ts';
import { usageOf } from './report.ts';
import { advance, begin } from './research.ts';
import type { ResearchEvent } from './run-state.ts';

const reading = { promptTokens: 1_000, replyTokens: 100 };
const usage = usageOfCall({ promptTokens: 500, completionTokens: 100 });
const visitOf = (...url: string[]): ToolCall => ({ tool: 'visit', args: { url, goal: 'locks' } });
const readingsOf = (calls: readonly ToolCall[], changes: Parameters<typeof limitsOf>[0]) =>
  withReadings(
    calls.map((call, index) => placed(call, 0, index)),
    { spent: nothingSpent, usage },
    limitsOf(changes),
  ).map(({ readings }) => readings);

describe('withReadings', () => {
  it('lets the model read every page where no budget is set, and none where the run did not ask for it', () => {
    const calls = [visitOf('a', 'b'), searchOf('c'), { tool: 'visit', args: { url: 'd', goal: 'e' } }];
    expect(readingsOf(calls, { reading })).toEqual([2, undefined, 1]);
    expect(readingsOf(calls, {})).toEqual([undefined, undefined, undefined]);
  });

  // Behind the reserves (600 + 1000 of observations + 200 of answer) half of what is left is for readings of 1100 each.
  it.each([
    [1_800 + 2 * 3_300, [2, 1]],
    [1_800 + 2 * 3_299, [2, 0]],
    [1_799, [0, 0]],
  ])('grants what half of a budget of %d tokens leaves behind the answer, in order', (tokens, granted) => {
    expect(readingsOf([visitOf('a', 'b'), visitOf('c', 'd')], { reading, budget: { steps: 9, tokens } })).toEqual(
      granted,
    );
  });

  it.each([
    [1.0, 2],
    // 0.0019 of prompts and answer, 0.0014 for each of two readings: 2 * 2 * 0.0014 + 0.0024.
    [0.0081, 2],
    [0.0079, 1],
    [0.001, 0],
  ])('keeps a budget of %d USD in the same way', (usd, granted) => {
    const prices = { promptUsd: 1, cachedUsd: 0.1, completionUsd: 4 };
    expect(readingsOf([visitOf('a', 'b')], { reading, prices, budget: { steps: 9, usd } })).toEqual([granted]);
  });

  // Behind 200 of answer, half of what is left is for replies of 100 each.
  it.each([
    [600, 2],
    [599, 1],
    [200, 0],
  ])('keeps a budget of %d tokens of output in the same way', (outputTokens, granted) => {
    expect(readingsOf([visitOf('a', 'b')], { reading, budget: { steps: 9, outputTokens } })).toEqual([granted]);
  });

  it('reads on where tokens cost nothing', () => {
    const prices = { promptUsd: 0, cachedUsd: 0, completionUsd: 0 };
    expect(readingsOf([visitOf('a')], { reading, prices, budget: { steps: 9, usd: 0 } })).toEqual([1]);
  });

  it('never costs the answer its reserve, however dear each page turns out within its bound', () => {
    const amount = fc.nat({ max: 60_000 });
    fc.assert(
      fc.property(amount, fc.nat({ max: 4_000 }), fc.integer({ min: 1, max: 5 }), (tokens, prompt, pages) => {
        const limits = limitsOf({ reading, budget: { steps: 9, tokens } });
        const before = { ...nothingSpent, modelCalls: 1, promptTokens: prompt, completionTokens: 100 };
        const reply = usageOfCall({ promptTokens: prompt, completionTokens: 100 });
        const calls = withReadings(
          [placed(visitOf(...'abcde'.slice(0, pages)), 0)],
          { spent: before, usage: reply },
          limits,
        );
        const readings = readingUsage(calls, [lateOutcome(visitOf('a'))], limits);
        const after = spendReadings(before, readings, null);
        const grown = prompt + 100 + limits.observationTokens;
        const couldAnswer = permit(before, grown, 0, limits).kind !== 'stop';
        if (readings.length > 0) expect(tokensOf(after) + grown + limits.answerTokens).toBeLessThanOrEqual(tokens);
        if (couldAnswer) expect(permit(after, grown, 0, limits).kind).not.toBe('stop');
      }),
    );
  });
});

describe('a run whose model reads pages', () => {
  const limits = limitsOf({ reading, prices: { promptUsd: 1, cachedUsd: 0.5, completionUsd: 2 } });
  const request = requestOf({ limits });
  const cost = { calls: 2, promptTokens: 900, cachedTokens: 100, completionTokens: 50 };
  const acting = advance(begin(request)[0], asked(visitOf('a', 'b')), limits)[0];
  const spentAfter = (event: ResearchEvent) => advance(acting, event, limits)[0].spent;

  it('grants the pages with the calls, so that whoever replays it grants the same', () => {
    expect(acting).toMatchObject({ phase: 'acting', calls: [{ tool: 'visit', readings: 2 }] });
  });

  it('counts what the reading cost with its results, and no reading as a step', () => {
    const observation = { ...observationOf('A page.'), reading: cost };
    const spent = spentAfter({ kind: 'tools-returned', outcomes: [{ call: visitOf('a', 'b'), observation }] });
    expect(spent).toMatchObject({
      modelCalls: 1,
      readings: 2,
      promptTokens: 910,
      cachedTokens: 100,
      completionTokens: 55,
    });
    expect(spent.nanoUsd).toBe((10 + 800 + 2 * 5 + 0.5 * 100 + 2 * 50) * 1000);
    expect(usageOf(spent, 1, 0)).toMatchObject({ model_calls: 3, prompt_tokens: 910 });
  });

  it('counts a call that nobody waited for as dear as it may have been', () => {
    const spent = spentAfter({ kind: 'tools-returned', outcomes: [lateOutcome(visitOf('a', 'b'))] });
    expect(spent).toMatchObject({ readings: 2, promptTokens: 2_010, completionTokens: 205 });
  });
});
