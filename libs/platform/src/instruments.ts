import { type Meter, metrics } from '@opentelemetry/api';
import { boundBy, everySeries, type Labels, mostSeries, overflow, type Series, type Valued } from './labels.ts';

/** Who measures: a process of a fleet. `inference` is three, a coordinator, a shard or an adapter. */
export type MeasuringRole =
  | 'gateway'
  | 'dispatcher'
  | 'agent-worker'
  | 'tool-worker'
  | 'egress'
  | 'coordinator'
  | 'shard'
  | 'adapter'
  | 'autoscaler';

/** What is known of an instrument before it measures anything: docs/metrics.md is made of it. */
export interface InstrumentDefinition {
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly description: string;
  readonly labels: Labels;
  /** Empty for every one. */
  readonly roles: readonly MeasuringRole[];
}

const waiting = new Set<(meter: Meter) => void>();
const definitions = new Map<string, InstrumentDefinition>();
let current: Meter | null = null;

/** Gives all instruments, those of modules still to be loaded included, the meter of the global provider. */
export function bindInstruments(): void {
  current = metrics.getMeter('argosy');
  for (const bind of waiting) bind(current);
  waiting.clear();
}

/** Of all modules that are loaded, by name. */
export function instrumentDefinitions(): readonly InstrumentDefinition[] {
  return [...definitions.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function whenBound(bind: (meter: Meter) => void): void {
  if (current === null) waiting.add(bind);
  else bind(current);
}

/** The labels of a value; none for an instrument without labels. */
type Labelled<L extends Labels> = [keyof L] extends [never] ? [] : [labels: Valued<L>];

/** Something that is read when somebody asks. */
export type Reading<L extends Labels = Record<never, never>> = { readonly value: number } & ([keyof L] extends [never]
  ? unknown
  : { readonly labels: Valued<L> });

/**
 * A figure that whoever has it states when it is asked for. `read` must be quick, and gives nothing while it knows
 * nothing: a series that is absent is better than one that is old.
 */
export interface ObservedFigure<L extends Labels> {
  /** @returns ends the reading */
  from(read: () => readonly Reading<L>[]): () => void;
}

interface Counts<L extends Labels> {
  add(value: number, ...labels: Labelled<L>): void;
}

interface Spread<L extends Labels> {
  record(value: number, ...labels: Labelled<L>): void;
}

type NoLabels = Record<never, never>;

/** From a quick statement of the database to a slow page. */
const secondsBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** From a quick search to a model call that thinks for minutes. */
export const longSecondsBoundaries: readonly number[] = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];

/**
 * Makes the instruments of one kind of process, or of several, or, where none is named, of every one, as constants of a
 * module. They do nothing until a meter is there, whichever of the two comes first, and measure through OpenTelemetry from
 * then on. Each name is made once in a process.
 *
 * Names: `argosy_<area>_<what>`, with the unit last (`_seconds`, `_bytes`); counters end in `_total`. Labels take few
 * values that are known beforehand or named by settings: never an id, a question, a URL, or a name that a model made up.
 */
export class Instruments {
  readonly #roles: readonly MeasuringRole[];

  constructor(...roles: readonly MeasuringRole[]) {
    this.#roles = roles;
  }

  /** Counts what happened. Series whose labels are all known stand at 0 from the start, so that the first event is a rise. */
  counter<const L extends Labels = NoLabels>(name: `${string}_total`, description: string, labels?: L): Counts<L> {
    const bound = this.#define({ name, kind: 'counter', description, labels });
    return summed(bound, labels ?? {}, (meter) => meter.createObservableCounter(name, { description }));
  }

  /** Counts what is there now: add 1 when it comes, -1 when it goes. */
  upDownCounter<const L extends Labels = NoLabels>(name: string, description: string, labels?: L): Counts<L> {
    const bound = this.#define({ name, kind: 'gauge', description, labels });
    return summed(bound, labels ?? {}, (meter) => meter.createObservableUpDownCounter(name, { description }));
  }

  /** Measures how values spread. `boundaries` are rising upper bounds of the buckets, in the unit of the name. */
  histogram<const L extends Labels = NoLabels>(
    name: string,
    description: string,
    { labels, boundaries = secondsBoundaries }: { readonly labels?: L; readonly boundaries?: readonly number[] } = {},
  ): Spread<L> {
    const bound = this.#define({ name, kind: 'histogram', description, labels });
    let record: (value: number, series: Series) => void = () => undefined;
    whenBound((meter) => {
      const advice = { explicitBucketBoundaries: [...boundaries] };
      const made = meter.createHistogram(name, { description, advice });
      record = (value, series) => made.record(value, series);
    });
    return { record: (value, ...[given]) => record(value, bound(given)) };
  }

  /** A figure that goes up and down. */
  gauge<const L extends Labels = NoLabels>(name: string, description: string, labels?: L): ObservedFigure<L> {
    const bound = this.#define({ name, kind: 'gauge', description, labels });
    return observed(bound, (meter) => meter.createObservableGauge(name, { description }));
  }

  /** As {@link gauge}, for a sum that only grows. */
  observedCounter<const L extends Labels = NoLabels>(
    name: `${string}_total`,
    description: string,
    labels?: L,
  ): ObservedFigure<L> {
    const bound = this.#define({ name, kind: 'counter', description, labels });
    return observed(bound, (meter) => meter.createObservableCounter(name, { description }));
  }

  /** @returns keeps what is measured to the labels */
  #define<L extends Labels>({ labels, ...rest }: Definition<L>): Bound {
    if (definitions.has(rest.name)) throw new Error(`the instrument ${rest.name} is made twice`);
    definitions.set(rest.name, { ...rest, labels: labels ?? {}, roles: this.#roles });
    const bound = boundBy(labels ?? {});
    return (given = {}) => bound(given);
  }
}

type Definition<L extends Labels> = Omit<InstrumentDefinition, 'roles' | 'labels'> & { readonly labels: L | undefined };

/** Keeps what is given to the labels of an instrument. */
type Bound = (given?: Readonly<Record<string, unknown>>) => Series;

/**
 * A sum of ours that is read when somebody asks: adding to it costs a look-up, where the SDK would sort and hash the labels
 * each time.
 */
function summed<L extends Labels>(
  bound: Bound,
  labels: Labels,
  make: (meter: Meter) => ReturnType<Meter['createObservableCounter']>,
): Counts<L> {
  const sums = new Map<Series, number>();
  let isBound = false;
  whenBound((meter) => {
    for (const series of everySeries(labels)) sums.set(bound(series), 0);
    isBound = true;
    make(meter).addCallback((result) => {
      for (const [series, sum] of sums) result.observe(sum, series);
    });
  });
  return {
    add(value, ...[given]) {
      if (!isBound) return;
      const own = bound(given);
      const series = sums.has(own) || sums.size < mostSeries - 1 ? own : overflow;
      sums.set(series, (sums.get(series) ?? 0) + value);
    },
  };
}

function observed<L extends Labels>(
  bound: Bound,
  make: (meter: Meter) => ReturnType<Meter['createObservableGauge']>,
): ObservedFigure<L> {
  const readers = new Set<() => readonly { readonly value: number; readonly labels?: Series }[]>();
  whenBound((meter) => {
    make(meter).addCallback((result) => {
      for (const read of readers) for (const { value, labels } of read()) result.observe(value, bound(labels));
    });
  });
  return {
    from(read) {
      readers.add(read);
      return () => void readers.delete(read);
    },
  };
}
