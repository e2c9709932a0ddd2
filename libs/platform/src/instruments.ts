import {
  type Attributes,
  type Counter,
  type Histogram,
  type Meter,
  metrics,
  type UpDownCounter,
} from '@opentelemetry/api';

/**
 * Instruments as constants of a module: they do nothing until a meter is there, whichever of the two comes first, and
 * measure through OpenTelemetry from then on. Each name is made once in a process.
 *
 * Names: `argosy_<area>_<what>`, with the unit last (`_seconds`, `_bytes`); counters end in `_total`. Labels take few
 * values that we know: never an id, a question, a URL, or a name that a model made up.
 */
const waiting = new Set<(meter: Meter) => void>();
let current: Meter | null = null;

/** Gives all instruments, those of modules still to be loaded included, the meter of the global provider. */
export function bindInstruments(): void {
  current = metrics.getMeter('argosy');
  for (const bind of waiting) bind(current);
  waiting.clear();
}

function whenBound(bind: (meter: Meter) => void): void {
  if (current === null) waiting.add(bind);
  else bind(current);
}

/**
 * Counts what happened.
 * @param series labels of the series that stand at 0 from the start, so that the first event shows as a rise; none for
 *   labels that are not known beforehand
 */
export function counter(
  name: `${string}_total`,
  description: string,
  series: readonly Attributes[] = [{}],
): Pick<Counter, 'add'> {
  let made: Counter | null = null;
  whenBound((meter) => {
    made = meter.createCounter(name, { description });
    for (const labels of series) made.add(0, labels);
  });
  return { add: (value, labels) => made?.add(value, labels) };
}

/** Counts what is there now: add 1 when it comes, -1 when it goes. */
export function upDownCounter(name: string, description: string): Pick<UpDownCounter, 'add'> {
  let made: UpDownCounter | null = null;
  whenBound((meter) => {
    made = meter.createUpDownCounter(name, { description });
    made.add(0);
  });
  return { add: (value, labels) => made?.add(value, labels) };
}

/** Measures how values spread. @param boundaries rising upper bounds of the buckets, in the unit of the name */
export function histogram(
  name: string,
  description: string,
  boundaries: readonly number[] = secondsBoundaries,
): Pick<Histogram, 'record'> {
  let made: Histogram | null = null;
  whenBound((meter) => {
    made = meter.createHistogram(name, { description, advice: { explicitBucketBoundaries: [...boundaries] } });
  });
  return { record: (value, labels) => made?.record(value, labels) };
}

/** From a quick statement of the database to a slow page. */
const secondsBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** From a quick search to a model call that thinks for minutes. */
export const longSecondsBoundaries: readonly number[] = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];

/** Something that is read when somebody asks. */
export interface Reading {
  readonly value: number;
  readonly labels?: Attributes;
}

/**
 * A figure that whoever has it states when it is asked for. `read` must be quick, and gives nothing while it knows
 * nothing: a series that is absent is better than one that is old.
 */
export interface ObservedFigure {
  /** @returns ends the reading */
  from(read: () => readonly Reading[]): () => void;
}

export function gauge(name: string, description: string): ObservedFigure {
  return observed((meter) => meter.createObservableGauge(name, { description }));
}

/** As {@link gauge}, for a sum that only grows. */
export function observedCounter(name: `${string}_total`, description: string): ObservedFigure {
  return observed((meter) => meter.createObservableCounter(name, { description }));
}

function observed(make: (meter: Meter) => ReturnType<Meter['createObservableGauge']>): ObservedFigure {
  const readers = new Set<() => readonly Reading[]>();
  whenBound((meter) => {
    make(meter).addCallback((result) => {
      for (const read of readers) for (const { value, labels } of read()) result.observe(value, labels);
    });
  });
  return {
    from(read) {
      readers.add(read);
      return () => void readers.delete(read);
    },
  };
}
