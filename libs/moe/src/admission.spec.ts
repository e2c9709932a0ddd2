import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Admission } from './admission.ts';

const admissionOf = (totalTokens: number) => new Admission({ totalTokens, idleMs: 600_000 });

/** A whole turn. */
function turn(admission: Admission, session: string, tokens: number, now: number): number | null {
  const wait = admission.admit(session, tokens, now);
  if (wait === null) admission.ended(session, 10, now);
  return wait;
}

describe('admission', () => {
  it('takes sessions for as long as all of what they may need fits, and those that it knows always', () => {
    const admission = admissionOf(300);
    expect(['a', 'b', 'c'].map((session) => turn(admission, session, 100, 0))).toEqual([null, null, null]);
    expect(turn(admission, 'd', 100, 0)).toBeGreaterThan(0);
    expect(turn(admission, 'b', 100, 1)).toBeNull();
    expect(admission.reservedTokens(1)).toBe(300);
    admission.release('a', 2);
    expect([turn(admission, 'd', 100, 2), turn(admission, 'a', 100, 2)]).toEqual([null, expect.any(Number)]);
  });

  it('takes one that needs more than there is when it is alone, and counts what a session has really come to', () => {
    const admission = admissionOf(300);
    expect(turn(admission, 'big', 1_000, 0)).toBeNull();
    expect(admission.reservedTokens(0)).toBe(300);
    admission.release('big', 0);
    admission.admit('a', 100, 0);
    admission.ended('a', 250, 0);
    expect(admission.reservedTokens(0)).toBe(250);
    expect(turn(admission, 'b', 100, 0)).not.toBeNull();
  });

  it('gives to others what a session has that asks nothing for long, but not in the middle of a turn', () => {
    const admission = admissionOf(200);
    admission.admit('busy', 100, 0);
    turn(admission, 'idle', 100, 0);
    expect(turn(admission, 'new', 100, 599_999)).not.toBeNull();
    expect(turn(admission, 'new', 100, 600_000)).toBeNull();
    expect([admission.knows('busy'), admission.knows('idle')]).toEqual([true, false]);
    // It comes back to what was kept of it.
    expect(admission.admit('idle', 100, 600_001, true)).toBeNull();
  });

  it('keeps nothing for a session whose first turn came to nothing', () => {
    const admission = admissionOf(100);
    admission.admit('a', 100, 0);
    admission.ended('a', null, 1);
    expect([admission.reservedTokens(1), admission.knows('a')]).toEqual([0, false]);
    turn(admission, 'a', 100, 2);
    admission.admit('a', 100, 3);
    admission.ended('a', null, 4);
    expect(admission.knows('a')).toBe(true);
  });

  it('says when room should come: by the lives of sessions that have ended, else by when idle ones are given up', () => {
    const admission = admissionOf(300);
    for (const [i, session] of ['a', 'b', 'c'].entries()) turn(admission, session, 100, i * 1_000);
    // Ten minutes from its last turn on, but nobody is sent away for that long.
    expect(admission.admit('d', 100, 2_000)).toBe(60_000);
    expect(admission.admit('d', 100, 599_000)).toBe(1_000);
    const lived = admissionOf(300);
    turn(lived, 'gone', 100, 0);
    lived.release('gone', 20_000);
    for (const [i, session] of ['a', 'b', 'c'].entries()) turn(lived, session, 100, 20_000 + i * 5_000);
    // The first of them should end at 40 s, and the two that a larger one waits for at 45 s.
    expect(lived.admit('d', 100, 31_000)).toBe(9_000);
    expect(lived.admit('d', 200, 31_000)).toBe(14_000);
    // One that lives longer than the others may end at any time; nobody asks all the time for that.
    expect(lived.admit('d', 100, 50_000)).toBe(1_000);
    const old = admissionOf(100);
    turn(old, 'gone', 100, 0);
    old.release('gone', 100_000);
    turn(old, 'a', 100, 100_000);
    expect(old.admit('b', 100, 400_000)).toBe(5_000);
  });

  it('never reserves more than there is for sessions that came one by one, whatever happens', () => {
    const step = fc.record({
      session: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      kind: fc.constantFrom('turn', 'release', 'later'),
      tokens: fc.integer({ min: 1, max: 120 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const admission = admissionOf(200);
        let now = 0;
        for (const { session, kind, tokens } of steps) {
          if (kind === 'later') now += tokens * 10_000;
          if (kind === 'release') admission.release(session, now);
          if (kind === 'turn') {
            const known = admission.knows(session);
            const wait = admission.admit(session, tokens, now);
            if (known) expect(wait).toBeNull();
            if (wait === null) admission.ended(session, 1, now);
            else expect(wait).toBeGreaterThanOrEqual(1_000);
          }
          expect(admission.reservedTokens(now)).toBeLessThanOrEqual(200);
        }
      }),
    );
  });
});
