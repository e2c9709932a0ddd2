import { expect, it } from '@jest/globals';
import { noFilter, queryOf } from './filter.ts';

it('narrows nothing by itself', () => {
  expect(queryOf(noFilter, null)).toBe('limit=50');
});

it('asks for whole days where the reader is, and for the page behind a run', () => {
  const query = new URLSearchParams(
    queryOf({ search: ' why ', status: 'failed', from: '2026-01-30', to: '2026-01-31' }, 'run_1'),
  );
  expect(Object.fromEntries(query)).toEqual({
    limit: '50',
    search: 'why',
    status: 'failed',
    since: new Date(2026, 0, 30).toISOString(),
    until: new Date(2026, 1, 1).toISOString(),
    before: 'run_1',
  });
});
