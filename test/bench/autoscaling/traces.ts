import { readFile } from 'node:fs/promises';
import { InvalidInput } from '#errors';

const hour = 3_600_000;

/** A stream of numbers in [0, 1) that a seed fixes (mulberry32). */
export function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Arrivals in ms from the start, rising. */
export type Arrivals = (random: () => number) => number[];

/** Arrivals of a Poisson process whose rate per hour changes with the time in hours. */
function poisson(hours: number, most: number, rateAt: (at: number) => number): Arrivals {
  return (random) => {
    const arrivals: number[] = [];
    for (let at = 0; ; ) {
      at -= Math.log(1 - random()) / most;
      if (at > hours) return arrivals;
      if (random() * most < rateAt(at)) arrivals.push(at * hour);
    }
  };
}

/** Gaps of a Pareto law (shape 1.2), with several jobs at a time. */
const heavyTailed: Arrivals = (random) => {
  const arrivals: number[] = [];
  for (let at = 0; ; ) {
    at += Math.min(2, 0.02 * (1 - random()) ** (-1 / 1.2));
    if (at > 12) return arrivals;
    const together = Math.min(40, Math.floor((1 - random()) ** (-1 / 1.5)));
    for (let job = 0; job < together; job++) arrivals.push(at * hour);
  }
};

/** Made traces of 12 hours; `on-off` swings at the period of the 300 s window. */
export const made = {
  step: poisson(12, 120, (at) => (at >= 3 && at < 7 ? 120 : 15)),
  ramp: poisson(12, 120, (at) => 10 + 110 * Math.max(0, 1 - Math.abs(at - 6) / 6)),
  'on-off': poisson(12, 150, (at) => ((at * 3_600) % 600 < 300 ? 150 : 0)),
  diurnal: poisson(24, 90, (at) => 46 - 44 * Math.cos((at / 24) * 2 * Math.PI)),
  'heavy-tailed': heavyTailed,
} satisfies Record<string, Arrivals>;

/**
 * Arrivals of a CSV, stretched and thinned to about as many jobs in 23 hours. The first column is a time, as a date or in
 * seconds; one line of names may stand above.
 * @throws InvalidInput naming the file and the first line that is wrong
 */
export async function recorded(file: string, jobs = 1_060, hours = 23): Promise<Arrivals> {
  const fault = (message: string, options?: ErrorOptions): InvalidInput =>
    new InvalidInput([{ path: `--trace ${file}`, message }], options);
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw fault('cannot be read. Give the path of a CSV of arrivals', { cause });
  });
  const lines = text.split(/\r?\n/).map((line, index) => ({ first: line.split(',')[0]?.trim() ?? '', at: index + 1 }));
  const [head, ...below] = lines.filter(({ first }) => first !== '');
  if (head === undefined) throw fault('is empty');
  const times = (timeOf(head.first) === undefined ? below : [head, ...below]).map(({ first, at }) => {
    const time = timeOf(first);
    if (time !== undefined) return time;
    throw fault(`line ${at} begins with "${first.slice(0, 40)}", which is no time. The first column must be one`);
  });
  const sorted = times.toSorted((a, b) => a - b);
  const begin = sorted[0] ?? 0;
  const span = (sorted.at(-1) ?? 0) - begin;
  if (span <= 0) throw fault('holds no two arrivals at different times');
  return (random) =>
    sorted.filter(() => random() < jobs / sorted.length).map((at) => ((at - begin) / span) * hours * hour);
}

/** In ms from some beginning. */
function timeOf(word: string): number | undefined {
  if (/^\d+(\.\d*)?$/.test(word)) return Number(word) * 1_000;
  if (!/^\d{4}-\d\d-\d\d[ T]/.test(word)) return undefined;
  const at = Date.parse(
    `${word
      .replace(' ', 'T')
      .replace(/(\.\d{3})\d+/, '$1')
      .replace(/Z?$/, '')}Z`,
  );
  return Number.isFinite(at) ? at : undefined;
}

/** Service times: log-normal with a median of 20 minutes, at most 6 hours. No public trace of jobs of hours exists. */
export function serviceMs(random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.min(6 * hour, 1_200_000 * Math.exp(normal));
}
