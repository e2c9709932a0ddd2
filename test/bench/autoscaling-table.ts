import { type Contender, contenders, type Trouble, worldOf } from './autoscaling-policies.ts';
import { play, type Story } from './autoscaling-run.ts';
import { type Arrivals, made } from './autoscaling-traces.ts';
import { percentile, type Row, round } from './result.ts';

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
  const diurnal = made['diurnal'];
  const plain = Object.entries(made).map(([trace, arrivals]) => ({ trace, arrivals, trouble: {} }));
  if (given !== undefined) plain.push({ trace: 'given', arrivals: given, trouble: {} });
  if (diurnal === undefined) return plain;
  const outages = [[6 * hour, 6.5 * hour] as const, [11 * hour, 11.5 * hour] as const];
  return [
    ...plain,
    { trace: 'diurnal, spot pods lost', arrivals: diurnal, trouble: { spotPerHour: 0.2 } },
    { trace: 'diurnal, metrics away twice', arrivals: diurnal, trouble: { outages } },
  ];
}

/** All contenders on one course: of every number the median of three seeds. */
export function run(course: Course): Result[] {
  return contenders.map((contender) => {
    const world = worldOf(course.arrivals, contender, course.trouble);
    const stories = seeds.map((seed) => play(world, contender.scalers(), seed));
    const story = stories[0];
    if (story === undefined) throw new Error('no seed');
    const median = (of: (told: Story) => number): number => percentile(stories.map(of), 0.5);
    const wait = (share: number): number => median(({ waits }) => percentile(waits, share));
    // A pod with one slot is a quarter of a worker with four.
    const podHours = median((told) => told.podHours) * ((contender.slots ?? 4) / 4);
    const row: Row = {
      what: 'course',
      trace: course.trace,
      scaler: contender.name,
      jobs: median(({ jobs }) => jobs),
      wait_p50_s: round(wait(0.5), 0),
      wait_p95_s: round(wait(0.95), 0),
      wait_p99_s: round(wait(0.99), 0),
      slo_missed: round(
        median(({ missed }) => missed),
        3,
      ),
      pod_hours: round(podHours, 0),
      gpu_hours: round(groupGpus * median(({ groupHours }) => groupHours), 0),
      slowed_hours: round(
        median(({ slowHours }) => slowHours),
        0,
      ),
      cold_starts: median(({ coldStarts }) => coldStarts),
      kills: median(({ kills }) => kills),
      lost_hours: round(
        median(({ lostHours }) => lostHours),
        1,
      ),
      hand_overs: median(({ handOvers }) => handOvers),
      changes_per_hour: round(
        median(({ changesPerHour }) => changesPerHour),
        1,
      ),
      unfairness: round(median(({ unfairness }) => unfairness)),
    };
    return { row, contender, p95: wait(0.95), podHours, story };
  });
}

/** The setting of the incumbent with our hand-over for which wait times pod-hours is least on this course. */
export function bestPeer(results: readonly Result[]): Result | undefined {
  return results
    .filter(({ contender }) => contender.peer)
    .reduce<Result | undefined>(
      (best, one) => (best === undefined || one.p95 * one.podHours < best.p95 * best.podHours ? one : best),
      undefined,
    );
}
