import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SharedTime } from './shared-time.ts';

function clock() {
  const at = { ms: 1_000 };
  return { at, time: new SharedTime(() => at.ms) };
}

describe('SharedTime', () => {
  it('gives everyone its equal part of each moment, and idle time to nobody', () => {
    const { at, time } = clock();
    const a = time.begin();
    at.ms += 100; // a alone
    const b = time.begin();
    at.ms += 60; // both
    expect(a()).toBe(130);
    at.ms += 40; // b alone
    expect(b()).toBe(70);
    at.ms += 500; // nobody
    const c = time.begin();
    at.ms += 5;
    expect(c()).toBe(5);
    expect(time.busyMs).toBe(205);
  });

  it('ends a share once', () => {
    const { at, time } = clock();
    const [a, b] = [time.begin(), time.begin()];
    at.ms += 10;
    expect(a()).toBe(5);
    at.ms += 10;
    expect(a()).toBe(5);
    expect(b()).toBe(15);
  });

  it('adds up to the time in which anybody ran, however they come and go', () => {
    const step = fc.record({ ms: fc.nat(10_000), leaves: fc.option(fc.nat(20), { nil: null }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { at, time } = clock();
        const running: (() => number)[] = [];
        let [shares, busyMs] = [0, 0];
        for (const { ms, leaves } of steps) {
          if (leaves === null) running.push(time.begin());
          else for (const end of running.splice(leaves % (running.length + 1), 1)) shares += end();
          if (running.length > 0) busyMs += ms;
          at.ms += ms;
        }
        for (const end of running) shares += end();
        expect(time.busyMs).toBe(busyMs);
        expect(shares).toBeCloseTo(busyMs, 6);
      }),
    );
  });
});
