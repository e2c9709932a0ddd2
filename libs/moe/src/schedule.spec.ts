import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { nextBatch, type Task } from './schedule.ts';

const decode: Task = { pendingTokens: 1, decoding: true, priority: 0 };
const prompt = (pendingTokens: number, priority = 0): Task => ({ pendingTokens, decoding: false, priority });

describe('the next batch', () => {
  it('takes every reply under way and gives the rest to prompts as they came', () => {
    expect(nextBatch([prompt(30), decode, prompt(30), decode], 40)).toEqual([30, 1, 8, 1]);
  });

  it('gives prompts of higher priority their tokens first', () => {
    expect(nextBatch([prompt(30), prompt(30, 2)], 40)).toEqual([10, 30]);
  });

  it('never exceeds its budget, starves no reply, and gives no more than is pending', () => {
    const tasks = fc.array(
      fc.record({
        pendingTokens: fc.integer({ min: 1, max: 90 }),
        decoding: fc.boolean(),
        priority: fc.integer({ min: -2, max: 2 }),
      }),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(tasks, fc.integer({ min: 30, max: 120 }), (drawn, stepTokens) => {
        const all = drawn.map((task) => (task.decoding ? { ...task, pendingTokens: 1 } : task));
        const given = nextBatch(all, stepTokens);
        const sum = given.reduce((total, tokens) => total + tokens, 0);
        expect(sum).toBeLessThanOrEqual(stepTokens);
        expect(sum).toBe(
          Math.min(
            stepTokens,
            all.reduce((total, { pendingTokens }) => total + pendingTokens, 0),
          ),
        );
        for (const [i, task] of all.entries()) {
          expect(given[i]).toBeLessThanOrEqual(task.pendingTokens);
          if (task.decoding) expect(given[i]).toBe(1);
        }
      }),
    );
  });
});
