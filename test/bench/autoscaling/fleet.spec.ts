import { describe, expect, it } from '@jest/globals';
import { type Contender, contenders, type Trouble, worldOf } from './contenders.ts';
import { play, type Scalers, type World } from './fleet.ts';
import type { PodSet, Scaler } from './pods.ts';
import { type Arrivals, dice, made } from './traces.ts';

const hour = 3_600_000;
const troubles: [string, Trouble][] = [
  ['nothing wrong', {}],
  ['spot nodes lost', { spotPerHour: 1 }],
  ['metrics away', { outages: [[3 * hour, 3.5 * hour]] }],
];
const few = contenders.filter(({ name }) => /^HPA|waiting only|ScaledJob|60 s, target 3.6$|defaults$/.test(name));
/** Calm, and then the beginning of a burst. */
const busy: Arrivals = (random) => made.step(random).filter((atMs) => atMs > 2 * hour && atMs < 4 * hour);

function world(contender: Contender, trouble: Trouble = {}, arrivals: Arrivals = busy): World {
  return worldOf(arrivals, contender, trouble);
}

/** Looks, before each of a scaler's own looks, whether anybody works where nobody can. */
function watched(scaler: Scaler, most: number): Scaler {
  const watch = ({ pods }: PodSet, nowMs: number): void => {
    for (const { jobs, readyAtMs } of pods) {
      if (jobs.length > most) throw new Error(`${jobs.length} jobs in ${most} slots`);
      if (jobs.length > 0 && readyAtMs > nowMs) throw new Error('a pod works that is not ready');
      if (new Set(jobs).size < jobs.length) throw new Error('a job is in one pod twice');
    }
    const jobs = pods.flatMap((pod) => pod.jobs);
    if (new Set(jobs).size < jobs.length) throw new Error('a job is in two pods');
  };
  return {
    look(set, seen, nowMs) {
      watch(set, nowMs);
      scaler.look(set, seen, nowMs);
    },
    level: (set) => scaler.level(set),
  };
}

describe.each(few.map((contender) => [contender.name, contender] as const))('a fleet under %s', (_, contender) => {
  it.each(troubles)('has every job arrive once and end once, or keeps it: %s', (__, trouble) => {
    const { agents, groups } = contender.scalers();
    const { slots } = world(contender).agents;
    const { done, left, waits } = play(
      world(contender, trouble),
      { agents: watched(agents, slots), groups: watched(groups, 24) },
      1,
    );
    expect(done + left).toBe(busy(dice(1)).length);
    expect(waits).toHaveLength(done);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(0);
  });

  it('does no more work than its pods had slots for', () => {
    const story = play(world(contender, { spotPerHour: 1 }), contender.scalers(), 1);
    const { podHours, groupHours, groupReadyHours, workHours, slowHours, lostHours } = story;
    const slotHours = podHours * world(contender).agents.slots;
    expect(slotHours).toBeGreaterThanOrEqual(workHours + slowHours + lostHours);
    expect(groupReadyHours).toBeLessThan(groupHours);
  });

  it('tells the same story for the same seed, and another for another', () => {
    const story = play(world(contender), contender.scalers(), 1);
    expect(play(world(contender), contender.scalers(), 1)).toEqual(story);
    expect(play(world(contender), contender.scalers(), 2)).not.toEqual(story);
  });
});

/** Asks for what it is told at each time. */
function asking(levels: readonly (readonly [atMs: number, level: number])[]): Scaler {
  return {
    look(set, _, nowMs) {
      for (const [atMs, level] of levels) if (atMs === nowMs) set.scale(level, nowMs);
    },
    level: (set) => set.replicas,
  };
}

describe('what a fleet counts', () => {
  const minute = 60_000;
  const together: Arrivals = () => Array(8).fill(20 * minute);
  const base = few[0];
  if (base === undefined) throw new Error('no contender');
  const up = asking([[0, 2]]);
  const down: Scalers = {
    agents: asking([
      [0, 2],
      [21 * minute, 1],
    ]),
    groups: up,
  };

  it('has jobs wait for the node, the start of a worker, and the next look for a group', () => {
    const scalers = { agents: asking([[20 * minute, 2]]), groups: asking([[0, 1]]) };
    const { waits, kills, lostHours } = play(world(base, {}, together), scalers, 1);
    expect(waits).toEqual(Array(8).fill(570_000));
    expect([kills, lostHours]).toEqual([0, 0]);
    const late = { agents: asking([[0, 2]]), groups: asking([[20 * minute, 1]]) };
    // Groups are there after 600 s; a refused run looks every minute.
    expect(play(world(base, {}, together), late, 1).waits).toEqual(Array(8).fill(600_000));
  });

  it('loses what jobs have done with a worker that ends before them', () => {
    const { kills, lostHours, handOvers } = play(world({ ...base, graceMs: 0 }, {}, together), down, 1);
    expect(kills).toBe(4);
    // The first turn began with 0.4 s in which the group read the prompt, which is no work of the job.
    expect(lostHours * 60).toBeCloseTo(3.975, 6);
    expect(handOvers).toBe(0);
  });

  it('loses nothing when jobs go on elsewhere from their next turn', () => {
    const kind = { ...base, graceMs: 10 * minute, handsOver: true };
    const { kills, lostHours, handOvers, workHours, done } = play(world(kind, {}, together), down, 1);
    expect([kills, lostHours, handOvers, done]).toEqual([0, 0, 4, 8]);
    expect(workHours).toBeGreaterThan(0);
  });

  it('tells what is now to those that ask, what was read before to the others, and nothing without metrics', () => {
    const agesOf = (metrics: World['metrics'], trouble: Trouble = {}): Set<number | undefined> => {
      const ages = new Set<number | undefined>();
      const looking: Scaler = {
        look(set, seen, nowMs) {
          if (nowMs === 0) set.scale(2, nowMs);
          else ages.add(seen && nowMs - seen.atMs);
        },
        level: (set) => set.replicas,
      };
      play(world({ ...base, metrics }, trouble, together), { agents: looking, groups: up }, 1);
      return ages;
    };
    expect(agesOf('asked')).toEqual(new Set([0]));
    expect(agesOf('scraped')).toEqual(new Set([13_000]));
    expect(agesOf('asked', { outages: [[0, 48 * hour]] })).toEqual(new Set([undefined]));
  });

  it('keeps jobs that nobody takes', () => {
    const none = asking([]);
    expect(play(world(base, {}, together), { agents: none, groups: none }, 1)).toMatchObject({ done: 0, left: 8 });
  });
});
