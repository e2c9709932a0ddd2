import { decideRows } from './autoscaling-decide.ts';
import { plot } from './autoscaling-plots.ts';
import { bestPeer, courses, type Result, run } from './autoscaling-table.ts';
import { recorded } from './autoscaling-traces.ts';
import { type Benchmark, type Row, round } from './result.ts';

/**
 * Our decisions against models of the HPA and KEDA on the same jobs: made traces, and the arrivals of `--trace FILE`. Time goes
 * by in steps of 5 s. Service times are synthetic, and no scaler is told them.
 */
export const autoscaling: Benchmark = async (say, { trace, plots }) => {
  const rows: Row[] = decideRows();
  const ratios: Record<string, number> = {};
  for (const course of courses(trace === undefined ? undefined : await recorded(trace))) {
    say(`scaling on: ${course.trace}`);
    const results = run(course);
    rows.push(...results.map(({ row }) => row));
    compare(course.trace, results, ratios);
    if (plots !== undefined) await plot(plots, course.trace, results);
  }
  return { params: { seeds: 3, slots: 4, cold_start_s: 480, metric_lag_s: 15, slo_s: 300 }, rows, ratios };
};

/** Ours by the best setting of the incumbent that has our hand-over, and what each of its ends is. */
function compare(trace: string, results: readonly Result[], ratios: Record<string, number>): void {
  const peer = bestPeer(results);
  if (peer === undefined) throw new Error('nothing to compare with');
  for (const [short, name] of [
    ['reactive', 'Argosy, reactive'],
    ['predictive', 'Argosy, predictive'],
  ] as const) {
    const ours = results.find(({ contender }) => contender.name === name);
    if (ours === undefined) throw new Error(`${name} did not run`);
    ratios[`${trace}: p95 wait, ${short} by ${peer.contender.name}`] = round(ours.p95 / Math.max(1, peer.p95));
    ratios[`${trace}: pod-hours, ${short} by ${peer.contender.name}`] = round(ours.podHours / peer.podHours);
  }
}
