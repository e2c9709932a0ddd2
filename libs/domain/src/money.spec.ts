import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  asked,
  limitsOf,
  observationOf,
  replyOf,
  requestOf,
  searchOf,
  usageOfCall,
} from '../../../test/support/research.ts';
import type { Limits } from './budget.ts';
import { type Cost, costBetween, dearestFees, dearestPrices, nanoUsdOf, pricesAt } from './money.ts';
import { advance, replay } from './research.ts';
import type { ResearchEvent } from './run-state.ts';

const prices = { promptUsd: 0.3, cachedUsd: 0.03, completionUsd: 1.2 };
const later = { promptUsd: 0.2, cachedUsd: 0.05, completionUsd: 1 };
const changed = limitsOf({
  prices,
  toolUsd: { search: 0.001 },
  priceChanges: [{ from: '2026-02-01T00:00:00.000Z', prices: later, toolUsd: { search: 0.002, visit: 0.003 } }],
});

describe('nanoUsdOf', () => {
  it('is whole, and exact where a float is not', () => {
    expect(nanoUsdOf(usageOfCall({ promptTokens: 3, cachedTokens: 1, completionTokens: 1 }), prices)).toBe(1_830);
    const dear = { promptUsd: 75, cachedUsd: 7.5, completionUsd: 150 };
    const million = usageOfCall({ promptTokens: 1_000_000, cachedTokens: 0, completionTokens: 1 });
    expect(nanoUsdOf(million, dear)).toBe(75_000_000_000 + 150_000);
  });

  it('rounds what is less than a billionth once, over the whole call', () => {
    const cheap = { promptUsd: 0.0004, cachedUsd: 0.0004, completionUsd: 0.0004 };
    expect(nanoUsdOf(usageOfCall({ promptTokens: 1, completionTokens: 0 }), cheap)).toBe(0);
    expect(nanoUsdOf(usageOfCall({ promptTokens: 3, cachedTokens: 1, completionTokens: 2 }), cheap)).toBe(2);
  });
});

describe('prices that change', () => {
  it('are those of the instant, the first of a day included', () => {
    const at = (instant: string | undefined) => pricesAt(changed, instant);
    expect(at('2026-01-31T23:59:59.999Z')).toEqual({ prices, toolUsd: { search: 0.001 } });
    expect(at('2026-02-01T00:00:00.000Z')).toEqual({ prices: later, toolUsd: { search: 0.002, visit: 0.003 } });
    expect(at(undefined).prices).toEqual(prices);
  });

  it('are planned for at the dearest of each kind', () => {
    expect(dearestPrices(changed)).toEqual({ promptUsd: 0.3, cachedUsd: 0.05, completionUsd: 1.2 });
    expect(dearestFees(changed)).toEqual({ search: 0.002, visit: 0.003 });
    expect(dearestPrices(limitsOf())).toBeNull();
  });

  it('charge a step with what was in force when it happened', () => {
    const limits: Limits = { ...changed, budget: { steps: 9 } };
    const usage = usageOfCall({ promptTokens: 1_000, cachedTokens: 0, completionTokens: 0 });
    const said = (at: string): ResearchEvent => {
      return { kind: 'model-replied', reply: replyOf({ usage, problem: 'go on' }), forced: null, at };
    };
    const before = said('2026-01-31T12:00:00.000Z');
    const [state] = replay(requestOf({ limits }), [before, said('2026-02-02T12:00:00.000Z')]);
    expect(state.spent.nanoUsd).toBe(300_000 + 200_000);
  });
});

describe('the costs of steps', () => {
  const usd = fc.double({ min: 0, max: 100, noNaN: true });
  const priced = fc.record({ promptUsd: usd, cachedUsd: usd, completionUsd: usd });
  const instant = fc.integer({ min: 0, max: 10 }).map((day) => new Date(Date.UTC(2026, 0, 1 + day)).toISOString());
  const fees = fc.record({ search: fc.double({ min: 0, max: 1, noNaN: true }) });
  const turn = fc.record({
    ...{
      promptTokens: fc.nat(2_000_000),
      completionTokens: fc.nat(50_000),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    },
    ...{ calls: fc.nat(3), at: instant, gpuMs: fc.option(fc.nat(100_000), { nil: undefined }) },
  });

  function eventsOf({
    promptTokens,
    completionTokens,
    share,
    calls,
    at,
    gpuMs,
  }: typeof turn extends fc.Arbitrary<infer T> ? T : never): ResearchEvent[] {
    const cachedTokens = Math.floor(promptTokens * share);
    const usage = { promptTokens, cachedTokens, completionTokens, ...(gpuMs === undefined ? {} : { gpuMs }) };
    const wanted = Array.from({ length: calls }, (_, i) => searchOf(`${promptTokens} ${completionTokens} ${i} ${at}`));
    const { reply } = asked(...wanted);
    const replied: ResearchEvent = { kind: 'model-replied', reply: { ...reply, usage }, forced: null, at };
    const outcomes = wanted.map((call) => ({ call, observation: observationOf(`${call.args['query']}`) }));
    return calls === 0 ? [replied] : [replied, { kind: 'tools-returned', outcomes, at }];
  }

  it('add up to what the run has spent, to the last billionth, whatever prices and when they changed', () => {
    const changes = fc.array(fc.record({ from: instant, prices: fc.option(priced), toolUsd: fees }), { maxLength: 3 });
    fc.assert(
      fc.property(
        fc.option(priced),
        fees,
        changes,
        fc.array(turn, { maxLength: 20 }),
        (first, toolUsd, some, turns) => {
          const priceChanges = some.toSorted((a, b) => a.from.localeCompare(b.from));
          const limits = limitsOf({ prices: first, toolUsd, priceChanges, budget: { steps: 1_000 } });
          const request = requestOf({ limits });
          let [state, command] = replay(request, []);
          const costs: Cost[] = [];
          for (const event of turns.flatMap(eventsOf)) {
            const fits = command.kind === (event.kind === 'model-replied' ? 'ask-model' : 'call-tools');
            if (!fits) continue;
            const before = state.spent;
            [state, command] = advance(state, event, limits);
            costs.push(costBetween(before, state.spent));
          }
          const sum = (of: (cost: Cost) => number): number => costs.reduce((all, cost) => all + of(cost), 0);
          expect(costs.every((cost) => Number.isSafeInteger(cost.nanoUsd) && cost.nanoUsd >= cost.feesNanoUsd)).toBe(
            true,
          );
          expect([sum((c) => c.nanoUsd), sum((c) => c.feesNanoUsd)]).toEqual([
            ...[state.spent.nanoUsd, state.spent.feesNanoUsd],
          ]);
          expect([sum((c) => c.promptTokens), sum((c) => c.gpuMs ?? 0)]).toEqual([
            ...[state.spent.promptTokens, state.spent.gpuMs ?? 0],
          ]);
          // What the database keeps of a run is the fraction; the whole number comes back from it.
          expect(Math.round((state.spent.nanoUsd / 1e9) * 1e9)).toBe(state.spent.nanoUsd);
        },
      ),
    );
  });
});
