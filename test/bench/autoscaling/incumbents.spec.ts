import { describe, expect, it } from '@jest/globals';
import { Horizontal, PodPerJob, type Rules } from './incumbents.ts';
import { PodSet, type Scaler } from './pods.ts';

const second = 1_000;
const rules: Rules = {
  ...{ min: 0, max: 100, target: 4, windowMs: 300 * second, metric: 'waiting-and-active', cooldownMs: 300 * second },
  deletionCost: false,
};

/** Rounds of 15 s with so many jobs waiting in each; @returns the pods asked for after each */
function rounds(scaler: Scaler, waiting: readonly (number | undefined)[]): number[] {
  const never = { later: () => undefined, market: () => 0.5, told: { ready: () => undefined, kill: () => undefined } };
  const world = { coldStartMs: 0, nodeMs: 0, podsPerNode: 8, graceMs: 0, spotPerHour: 0, slots: 4 };
  const set = new PodSet(world, never);
  const rest = { active: 0, fullPods: 0, arrivedTotal: 0, finishedTotal: 0, oldestWaitMs: 0 };
  return waiting.map((jobs, round) => {
    const nowMs = round * 15 * second;
    scaler.look(set, jobs === undefined ? undefined : { atMs: nowMs, waiting: jobs, ...rest }, nowMs);
    return set.replicas;
  });
}

const times = (count: number, jobs: number): number[] => Array(count).fill(jobs);

describe('the horizontal autoscaler', () => {
  it('goes from none to one at a poll of KEDA, and from there by four or by double', () => {
    expect(rounds(new Horizontal(rules), [0, 400, ...times(6, 400)])).toEqual([0, 0, 1, 5, 10, 20, 40, 80]);
  });

  it('goes no further than its bound', () => {
    expect(rounds(new Horizontal({ ...rules, max: 12 }), times(6, 400)).at(-1)).toBe(12);
  });

  it('leaves what is within a tenth of the target', () => {
    const scaler = new Horizontal({ ...rules, min: 10 });
    expect(rounds(scaler, [40, 43, 37, 45]).map(String)).toEqual(['10', '10', '10', '12']);
  });

  it('falls to the most that it recommended within the window, not before', () => {
    const levels = rounds(new Horizontal({ ...rules, min: 1 }), [...times(4, 40), ...times(40, 8)]);
    expect(levels.slice(3, 23)).toEqual(times(20, 10));
    expect(levels[23]).toBe(2);
  });

  it('falls at once without a window', () => {
    expect(rounds(new Horizontal({ ...rules, min: 1, windowMs: 0 }), [...times(4, 40), 8]).at(-1)).toBe(2);
  });

  it('goes to none after its cool-down without work, and holds while it sees nothing', () => {
    const levels = rounds(new Horizontal(rules), [...times(6, 4), ...times(30, 0)]);
    expect(levels.slice(0, 25)).toEqual([1, ...times(24, 1)]);
    expect(levels.at(-1)).toBe(0);
    const blind = rounds(new Horizontal(rules), [...times(6, 40), ...Array<undefined>(60).fill(undefined)]);
    expect(blind.at(-1)).toBe(10);
  });
});

describe('a pod per job', () => {
  it('starts as many as there are jobs, up to its bound, at the polls of KEDA', () => {
    expect(rounds(new PodPerJob(8), [0, 5, 5, 20, 20])).toEqual([0, 0, 5, 5, 8]);
  });
});
