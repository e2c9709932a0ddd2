import { describe, expect, it } from '@jest/globals';
import { EventQueue } from './events.ts';
import { jobOf } from './jobs.ts';
import type { Pod } from './parts.ts';
import { PodSet, type PodTimes } from './pods.ts';

const minute = 60_000;
const times: PodTimes = {
  ...{ slots: 4, coldStartMs: 8 * minute, nodeMs: 2 * minute, podsPerNode: 2, graceMs: 5 * minute, spotPerHour: 0 },
};

/** A set with the events that it asked for, and what it told of them. */
function stage(given: Partial<PodTimes> = {}): { set: PodSet; told: string[]; until: (atMs: number) => void } {
  const events = new EventQueue<(nowMs: number) => void>();
  const told: string[] = [];
  const world = {
    later: (atMs: number, what: (nowMs: number) => void): void => events.add(atMs, what),
    market: () => 0.5,
    told: {
      ready: (pod: Pod, nowMs: number) => told.push(`${pod.ordinal} ready ${nowMs / minute}`),
      kill: (pod: Pod, nowMs: number) => {
        told.push(`${pod.ordinal} killed ${nowMs / minute}`);
        pod.jobs.splice(0);
      },
    },
  };
  const until = (atMs: number): void => {
    for (let next = events.next(); next !== undefined; next = events.next()) {
      next.event(next.atMs);
      if (next.atMs >= atMs) return;
    }
  };
  return { set: new PodSet({ ...times, ...given }, world), told, until };
}

function busy(pod: Pod | undefined): void {
  pod?.jobs.push(jobOf(0, 0, minute));
}

const alive = ({ pods }: PodSet): number[] => pods.map(({ ordinal }) => ordinal);

describe('a set of pods', () => {
  it('has pods start after their node, and a second on a node that is there without that', () => {
    const { set, told, until } = stage();
    set.scale(1, 0);
    until(10 * minute);
    set.scale(3, 10 * minute);
    until(20 * minute);
    expect(told).toEqual(['0 ready 10', '1 ready 18', '2 ready 20']);
  });

  it('keeps an empty node for ten minutes', () => {
    const { set, told, until } = stage();
    set.scale(1, 0);
    until(10 * minute);
    set.scale(0, 10 * minute);
    set.scale(1, 19 * minute);
    until(27 * minute);
    set.scale(0, 27 * minute);
    until(37 * minute);
    set.scale(1, 38 * minute);
    until(48 * minute);
    expect(told).toEqual(['0 ready 10', '1 ready 27', '2 ready 48']);
  });

  it('gives up first what is not ready, then the lowest cost, then the youngest', () => {
    const { set, until } = stage();
    set.scale(2, 0);
    set.scale(3, minute);
    until(11 * minute);
    const costs = [5, 1, 1];
    set.pods.forEach((pod, index) => {
      pod.cost = costs[index] ?? 0;
    });
    set.scale(4, 12 * minute);
    set.scale(3, 12 * minute);
    expect(alive(set)).toEqual([0, 1, 2]);
    set.scale(2, 12 * minute);
    expect(alive(set)).toEqual([0, 1]);
    set.scale(1, 12 * minute);
    expect(alive(set)).toEqual([0]);
  });

  it('kills what still holds a job when its grace is over, and starts others only for what was asked', () => {
    const { set, told, until } = stage();
    set.scale(1, 0);
    until(10 * minute);
    busy(set.pods[0]);
    set.scale(0, 10 * minute);
    expect(alive(set)).toEqual([0]);
    until(15 * minute);
    expect(told.at(-1)).toBe('0 killed 15');
    expect(alive(set)).toEqual([]);
  });

  it('ends by name what has work, and keeps what was cheaper', () => {
    const { set, until } = stage();
    set.scale(2, 0);
    until(10 * minute);
    set.replace(['pod-000000'], 1, 10 * minute);
    expect(alive(set)).toEqual([1]);
  });

  it('loses a node with its pods after two minutes of notice, and asks for others at once', () => {
    const { set, told, until } = stage({ spotPerHour: 2 });
    set.scale(1, 0);
    until(10 * minute);
    busy(set.pods[0]);
    // Half of the nodes live for 20.8 minutes.
    const lostAt = (Math.log(2) / 2) * 60;
    until(lostAt * minute);
    expect(alive(set)).toEqual([0, 1]);
    until((lostAt + 2) * minute);
    expect(told.at(-1)).toContain('0 killed 22.794');
    expect(alive(set)).toEqual([1]);
  });
});
