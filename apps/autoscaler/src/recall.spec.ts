import { describe, expect, it } from '@jest/globals';
import { purseName, recalled } from './recall.ts';

const seen = { atMs: 9, waiting: 1, active: 2, arrivedTotal: 3, finishedTotal: 2, oldestWaitMs: 0 };
const memory = {
  ...{ target: 2, seen, fast: 0.1, slow: 0, finished: 2, busyMs: 70, readyMs: [5], readySeenMs: 7 },
  wanted: [{ atMs: 9, level: 2 }],
};
const agents = (stored: unknown) => [{ pool: 'agents', memory: stored }];

describe('what autoscalers learned', () => {
  it('comes back as it was kept', () => {
    const purse = { left: -3, atMs: 9 };
    const { memories, purse: left, unreadable } = recalled([...agents(memory), { pool: purseName, memory: purse }]);
    expect([memories.get('agents'), left, unreadable]).toEqual([memory, purse, []]);
  });

  it('is none for a pool that was never decided on', () => {
    expect(recalled(agents(null))).toEqual({ memories: new Map(), purse: undefined, unreadable: [] });
  });

  it('comes without what a newer release keeps beside it', () => {
    const newer = { ...memory, form: 2, seen: { ...seen, tokens: 7 }, wanted: [{ ...memory.wanted[0], why: 'x' }] };
    expect(recalled(agents(newer)).memories.get('agents')).toEqual(memory);
  });

  it.each([
    ['that lacks something', { ...memory, seen: { ...seen, arrivedTotal: undefined } }],
    ['of another form', { form: 9, levels: [1, 2] }],
    ['with a number that is none', { ...memory, fast: null }],
    ['with a negative total', { ...memory, seen: { ...seen, finishedTotal: -1 } }],
    ['that is endless', { ...memory, readyMs: Array(100_001).fill(1) }],
  ])('is none, and said to be unreadable, where something is kept %s', (_, stored) => {
    const { memories, unreadable } = recalled(agents(stored));
    expect([memories.size, unreadable]).toEqual([0, ['agents']]);
    const purse = recalled([{ pool: purseName, memory: { left: 'all' } }]);
    expect([purse.purse, purse.unreadable]).toEqual([undefined, [purseName]]);
  });
});
