import { describe, expect, it } from '@jest/globals';
import { daysOf, tableOf } from './usage.ts';

const now = Date.parse('2026-01-31T23:00:00Z');

describe('argosy usage', () => {
  it('tells of the last thirty days unless told otherwise', () => {
    expect(daysOf({}, now)).toEqual({ from: '2026-01-02', to: '2026-01-31' });
    expect(daysOf({ to: '2026-01-30' }, now)).toEqual({ from: '2026-01-01', to: '2026-01-30' });
    expect(daysOf({ from: '2025-01-01' }, now)).toEqual({ from: '2025-01-01', to: '2026-01-31' });
  });

  it.each([
    [{ from: 'yesterday' }, /^--from: needs a day/],
    [{ to: '2026-13-01' }, /^--to: needs a day/],
    [{ from: '2026-02-01' }, /^--to: lies before --from/],
  ])('refuses %j', (values, message) => {
    expect(() => daysOf(values, now)).toThrow(message);
  });

  it('puts rows into columns, and says where there are none', () => {
    const rows = [
      { day: '2026-01-31', runs: 2, gpu_seconds: null },
      { day: '2026-01-30', runs: 12_000, gpu_seconds: 1.5 },
    ];
    expect(tableOf(rows)).toBe('day         runs   gpu_seconds\n2026-01-31  2\n2026-01-30  12000  1.5\n');
    expect(tableOf([])).toBe('Nothing was used on these days.\n');
  });
});
