import { percentile, type Row, round } from '../result.ts';
import { type Story, sloMs } from './books.ts';
import { type Contender, contenders, slots, type Trouble, worldOf } from './contenders.ts';
import { play } from './fleet.ts';
import { type Arrivals, made } from './traces.ts';

const seeds = [1, 2, 3];
const hour = 3_600_000;
const groupGpus = 4;

export interface Course {
  readonly trace: string;
  readonly arrivals: Arrivals;
  readonly trouble: Trouble;
}

/** One contender on one course, with the story of its first seed for the plots. */
export interface Result {
  readonly row: Row;
  readonly contender: Contender;
  readonly p95: number;
  readonly podHours: number;
  readonly story: Story;
}

export function courses(given: Arrivals | undefined): Course[] {
  const plain = Object.entries(made).map(([trace, arrivals]) => ({ trace, arrivals, trouble: {} }));
  if (given !== undefined) plain.push({ trace: 'given', arrivals: given, trouble: {} });
  const outages = [[6 * hour, 6.5 * hour] as const, [11 * hour, 11.5 * hour] as const];
  return [
    ...plain,
    { trace: 'diurnal, spot nodes lost', arrivals: made.diurnal, trouble: { spotPerHour: 0.05 } },
    { trace: 'diurnal, metrics away twice', arrivals: made.diurnal, trouble: { outages } },
  ];
}

/** All contenders on one course: of every number the median of three seeds. */
export function run(course: Course): Result[] {
  return contenders.map((contender) => resultOf(course, contender));
}

/** Of the incumbent's settings the best alone stands for all. */
export function shown(results: readonly Result[]): Result[] {
  const isShown = (one: Result): boolean => {
    const { family } = one.contender;
    return family === undefined || family === 'ours' || one === bestOf(family, results);
  };
  return results.filter(isShown);
}

/** What an operator would set: what costs the fewest pod-hours within the promised wait; where nothing is, what waits least. */
export function bestOf(family: Contender['family'], results: readonly Result[]): Result | undefined {
  const over = ({ p95 }: Result): number => Math.max(0, p95 - sloMs / 1_000);
  return results
    .filter(({ contender }) => contender.family === family)
    .toSorted((a, b) => over(a) - over(b) || a.podHours - b.podHours)[0];
}

function resultOf({ trace, arrivals, trouble }: Course, contender: Contender): Result {
  const world = worldOf(arrivals, contender, trouble);
  const stories = seeds.map((seed) => play(world, contender.scalers(), seed));
  const story = stories[0];
  if (story === undefined) throw new Error('no seed');
  const median = (of: (told: Story) => number, digits = 0): number => round(percentile(stories.map(of), 0.5), digits);
  const wait = (share: number): number => median(({ waits }) => percentile(waits, share) / 1_000);
  // A pod with one slot is a quarter of a worker with four.
  const size = world.agents.slots / slots.agents;
  const p95 = wait(0.95);
  const podHours = median((told) => told.podHours * size, 1);
  const row: Row = {
    what: 'course',
    trace,
    scaler: contender.name,
    jobs: median(({ done }) => done),
    left: median(({ left }) => left),
    wait_mean_s: median(({ waits }) => waits.reduce((sum, ms) => sum + ms / 1_000, 0) / waits.length),
    wait_p50_s: wait(0.5),
    wait_p95_s: p95,
    wait_p99_s: wait(0.99),
    slo_missed: median(({ missed }) => missed, 3),
    pod_hours: podHours,
    starting: median((told) => told.startHours * size),
    idle: median((told) => told.idleHours * size),
    leaving: median((told) => told.leavingHours * size, 1),
    gpu_hours: median(({ groupHours }) => groupGpus * groupHours),
    gpu_hours_ready: median(({ groupReadyHours }) => groupGpus * groupReadyHours),
    slowed_hours: median(({ slowHours }) => slowHours),
    cold_starts: median(({ coldStarts }) => coldStarts),
    kills: median(({ kills }) => kills),
    lost_hours: median(({ lostHours }) => lostHours, 1),
    hand_overs: median(({ handOvers }) => handOvers),
    refusals: median(({ refusals }) => refusals),
    changes_per_hour: median(({ changesPerHour }) => changesPerHour, 1),
    turns_in_300_s: Math.max(...stories.map(({ turns }) => turns)),
    fairness: median(({ fairness }) => fairness, 2),
  };
  return { row, contender, p95, podHours, story };
}
