import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EventQueue } from './events.ts';

describe('a queue of events', () => {
  it('gives them by time, and those of one time in the order in which they came', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat(9), { nil: undefined })), (moves) => {
        const queue = new EventQueue<number>();
        let held: { atMs: number; event: number }[] = [];
        moves.forEach((atMs, event) => {
          if (atMs !== undefined) {
            queue.add(atMs, event);
            held.push({ atMs, event });
            return;
          }
          const [first, ...others] = held.toSorted((a, b) => a.atMs - b.atMs || a.event - b.event);
          held = others;
          const next = queue.next();
          expect(next && { atMs: next.atMs, event: next.event }).toEqual(first);
        });
      }),
    );
  });

  it('takes no time that never comes', () => {
    expect(() => new EventQueue().add(Number.POSITIVE_INFINITY, 1)).toThrow(RangeError);
  });
});
