import { sloMs } from './autoscaling/books.ts';
import { coldStartMs, slots } from './autoscaling/contenders.ts';
import { decideRows } from './autoscaling/decide-time.ts';
import { plot } from './autoscaling/plots.ts';
import { printed } from './autoscaling/printed.ts';
import { bestOf, courses, type Result, run } from './autoscaling/table.ts';
import { recorded } from './autoscaling/traces.ts';
import { type Benchmark, type Row, round } from './result.ts';

/**
 * Our decisions against models of the HPA and KEDA on the same jobs: made traces, and the arrivals of `--trace FILE`. Discrete
 * events; each number is the median of three seeds. Service times are synthetic, and no scaler is told them, nor how long pods
 * take to start. `--plots FOLDER` draws each course.
 */
export const autoscaling: Benchmark = async (say, { trace, plots }) => {
  const rows: Row[] = decideRows();
  const ratios: Record<string, number> = {};
  for (const course of courses(trace === undefined ? undefined : await recorded(trace))) {
    const results = run(course);
    rows.push(...results.map(({ row }) => row));
    say(`\n${course.trace}\n${printed(results.map(({ row: { what, trace, ...numbers } }) => numbers))}`);
    compare(course.trace, results, ratios);
    if (plots !== undefined) await plot(plots, course.trace, results);
  }
  return {
    params: { seeds: 3, slots: slots.agents, cold_start_s: coldStartMs / 1_000, slo_s: sloMs / 1_000 },
    rows,
    ratios,
  };
};

/** Ours by the best setting of the incumbent that has our hand-over, and what each of its ends is. */
function compare(trace: string, results: readonly Result[], ratios: Record<string, number>): void {
  const peer = bestOf('hand-over', results);
  if (peer === undefined) throw new Error('nothing to compare with');
  for (const short of ['reactive', 'predictive', 'defaults']) {
    const ours = results.find(({ contender }) => contender.name === `Argosy, ${short}`);
    if (ours === undefined) throw new Error(`${short} did not run`);
    ratios[`${trace}: p95 wait, ${short} by ${peer.contender.name}`] = round(ours.p95 / Math.max(1, peer.p95));
    ratios[`${trace}: pod-hours, ${short} by ${peer.contender.name}`] = round(ours.podHours / peer.podHours);
  }
}
