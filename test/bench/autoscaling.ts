import { sloMs } from './autoscaling/books.ts';
import { coldStartMs, slots } from './autoscaling/contenders.ts';
import { decideRows } from './autoscaling/decide-time.ts';
import { plot } from './autoscaling/plots.ts';
import { printed } from './autoscaling/printed.ts';
import { courses, run, shown } from './autoscaling/table.ts';
import { recorded } from './autoscaling/traces.ts';
import { verdicts } from './autoscaling/verdict.ts';
import type { Benchmark, Row } from './result.ts';

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
    const beside = verdicts(course.trace, results);
    rows.push(...results.map(({ row }) => row), ...beside);
    say(`\n${course.trace}\n${table(shown(results).map(({ row }) => row))}\n${table(beside)}`);
    for (const { scaler, wait, pod_hours } of beside) {
      ratios[`${course.trace}: p95 wait, ${scaler} by best KEDA`] = Number(wait);
      ratios[`${course.trace}: pod-hours, ${scaler} by best KEDA`] = Number(pod_hours);
    }
    if (plots !== undefined) await plot(plots, course.trace, results);
  }
  return {
    params: { seeds: 3, slots: slots.agents, cold_start_s: coldStartMs / 1_000, slo_s: sloMs / 1_000 },
    rows,
    ratios,
  };
};

function table(rows: readonly Row[]): string {
  return printed(rows.map(({ what, trace, ...numbers }) => numbers));
}
