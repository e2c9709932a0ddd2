/** Labels that stay few whatever is measured: values beyond those that are known count together. */

/** The value that stands for all that have none of their own. */
const otherValue = 'other';

/** Names that an operator chose, so that only a running process knows them. */
export interface Names {
  /** What they name, such as `a pool`. */
  readonly of: string;
  /** How many are told apart; each that comes after them is `other`. */
  readonly most: number;
}

/** What a label may be: one of these values, or a name; all else is `other`. */
export type Values = readonly string[] | Names;

export type Labels = Readonly<Record<string, Values>>;

/** A value for each of some labels. */
export type Valued<L extends Labels> = { readonly [K in keyof L]: L[K] extends readonly (infer V)[] ? V : string };

/** For a label whose values the settings name. Nothing that a client, a page or a model says is such a name. */
export function namesOf(of: string, most = 30): Names {
  return { of, most };
}

/** Exactly the labels of an instrument, each with a value that it may have. The same values are the same object. */
export type Series = Readonly<Record<string, string>>;

/** Most series of one instrument; what goes beyond them is counted together, as {@link overflow}. */
export const mostSeries = 200;

/** As the SDK names the series of what found no place of its own. */
export const overflow: Series = { 'otel.metric.overflow': 'true' };

/** Behind some values: the series, where these are all of its labels, and what may come next. */
interface Branch {
  series: Series | null;
  readonly next: Map<string, Branch>;
}

/** Keeps what is measured to its labels. It happens at every step of every run: a series is made once, and then found. */
export function boundBy<L extends Labels>(labels: L): (given: Readonly<Record<string, unknown>>) => Series {
  const guards = Object.entries(labels).map(([label, values]) => [label, guardOf(values)] as const);
  const root: Branch = { series: null, next: new Map() };
  return (given) => {
    let at = root;
    for (const [label, guard] of guards) at = behind(at, guard(String(given[label])));
    at.series ??= Object.fromEntries(guards.map(([label, guard]) => [label, guard(String(given[label]))]));
    return at.series;
  };
}

function behind({ next }: Branch, value: string): Branch {
  const known = next.get(value);
  if (known !== undefined) return known;
  const branch: Branch = { series: null, next: new Map() };
  next.set(value, branch);
  return branch;
}

function guardOf(values: Values): (value: string) => string {
  const known = new Set('of' in values ? [] : values);
  const most = 'of' in values ? values.most : known.size;
  return (value) => {
    if (known.has(value)) return value;
    if (known.size >= most) return otherValue;
    known.add(value);
    return value;
  };
}

/** Most series that are worth standing at 0 before anything happened. */
const mostAtZero = 60;

/** Every series of the labels; none where not all their values are known, or they are many. */
export function everySeries(labels: Labels): Record<string, string>[] {
  let series: Record<string, string>[] = [{}];
  for (const [label, values] of Object.entries(labels)) {
    if ('of' in values || series.length * values.length > mostAtZero) return [];
    series = series.flatMap((one) => values.map((value) => ({ ...one, [label]: value })));
  }
  return series;
}
