import { describe, expect, it } from '@jest/globals';
import { datedOf, pricesFrom } from './price-table.ts';

const models = datedOf('1;2026-07-01:2;2026-01-01:3', (text) => {
  return { promptUsd: Number(text), cachedUsd: 0, completionUsd: 0 };
});
const tools = datedOf('search=1;2026-07-01:search=2; 2026-08-01:search=3', (text) => ({ [text]: 1 }));
const promptUsdOf = ({ prices }: { prices: { promptUsd: number } | null }) => prices?.promptUsd;

describe('prices with dates', () => {
  it('are in force from the beginning of their day on', () => {
    expect(promptUsdOf(pricesFrom(models, [], new Date('2025-12-31T23:59:59.999Z')))).toBe(1);
    expect(promptUsdOf(pricesFrom(models, [], new Date('2026-01-01T00:00:00Z')))).toBe(3);
  });

  it('are frozen with all that is known to change, each change whole', () => {
    const { toolUsd, priceChanges = [] } = pricesFrom(models, tools, new Date('2026-06-30T12:00:00Z'));
    expect(toolUsd).toEqual({ 'search=1': 1 });
    expect(priceChanges.map((change) => [change.from.slice(0, 10), promptUsdOf(change), change.toolUsd])).toEqual([
      ['2026-07-01', 2, { 'search=2': 1 }],
      ['2026-08-01', 2, { 'search=3': 1 }],
    ]);
  });

  it('leave nothing to change when all of it has happened, and no price where nobody said one', () => {
    expect(pricesFrom(models, tools, new Date('2026-09-01'))).not.toHaveProperty('priceChanges');
    expect(pricesFrom([], [], new Date('2026-09-01'))).toEqual({ prices: null });
  });
});
