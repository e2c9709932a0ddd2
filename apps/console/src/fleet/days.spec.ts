import { describe, expect, it } from '@jest/globals';
import { stacked } from './days.ts';

const on = (day: string, tenant_id: string, tokens: number, usd = 0) => ({ day, tenant_id, runs: 1, tokens, usd });

describe('spending by day and tenant', () => {
  it('has a day for each, also where nothing was spent, the earliest first', () => {
    const { days, tenants, unit } = stacked([on('2026-03-01', 'a', 5), on('2026-02-27', 'b', 7)], '2026-03-01', 3);
    expect([tenants, unit]).toEqual([['b', 'a'], 'tokens']);
    expect(days).toEqual([
      { day: '2026-02-27', parts: [7, 0], total: 7 },
      { day: '2026-02-28', parts: [0, 0], total: 0 },
      { day: '2026-03-01', parts: [0, 5], total: 5 },
    ]);
  });

  it('is in money where anything cost any', () => {
    expect(stacked([on('2026-03-01', 'a', 5, 0.5), on('2026-03-01', 'b', 9)], '2026-03-01', 1)).toMatchObject({
      ...{ unit: 'usd', days: [{ total: 0.5 }] },
    });
  });

  it('names the dearest tenants and adds up the others', () => {
    const spending = [1, 2, 3, 4, 5, 6, 7].map((n) => on('2026-03-01', `t${n}`, n));
    const { tenants, days } = stacked(spending, '2026-03-01', 1);
    expect(tenants).toEqual(['t7', 't6', 't5', 't4', 'others']);
    expect(days[0]?.parts).toEqual([7, 6, 5, 4, 6]);
  });
});
