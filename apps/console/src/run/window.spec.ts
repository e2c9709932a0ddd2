import { expect, it } from '@jest/globals';
import { windowOf } from './window.ts';

const rowHeight = 10;

it('draws what is in sight and a margin, however long the list', () => {
  expect(windowOf(2_000, { top: 10_000, height: 100, rowHeight })).toEqual({ first: 988, end: 1_022 });
});

it('keeps to the list at its beginning, at its end, and where it has become shorter', () => {
  expect(windowOf(2_000, { top: 0, height: 100, rowHeight })).toEqual({ first: 0, end: 22 });
  expect(windowOf(2_000, { top: 19_900, height: 100, rowHeight })).toEqual({ first: 1_978, end: 2_000 });
  expect(windowOf(5, { top: 19_900, height: 100, rowHeight })).toEqual({ first: 5, end: 5 });
});
