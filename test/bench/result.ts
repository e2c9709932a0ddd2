/** One measured thing. */
export type Row = Readonly<Record<string, string | number | boolean>>;

/** What a benchmark measured; `ratios` compare with a control of the same run. */
export interface Measured {
  readonly params: Readonly<Record<string, string | number>>;
  readonly rows: readonly Row[];
  readonly ratios: Readonly<Record<string, number>>;
}

/** What some benchmarks take from the command line: a file of arrivals, a folder for pictures. */
export interface Given {
  readonly trace?: string | undefined;
  readonly plots?: string | undefined;
}

/** A benchmark says on stderr what it is doing. */
export type Benchmark = (say: (line: string) => void, given: Given) => Promise<Measured>;

/** The value below which a share `p` (0 to 1) of the values lies. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
}

export function round(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}
