/** Reads Prometheus' text format (0.0.4) and forgives nothing: what a real one takes with a shrug is a fault here, too. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

interface OpenFamily extends Family {
  readonly samples: Sample[];
}

const types: ReadonlySet<string> = new Set(['counter', 'gauge', 'histogram']);
const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const labelPair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/**
 * Families by name, each with all its samples.
 * @throws Error naming the line: no HELP and TYPE directly before a family's samples, or a second time; a series that
 * stands twice; a name or label that is not one; a histogram that does not add up
 */
export function parsePrometheus(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the text does not end with a line break');
  const families = new Map<string, OpenFamily>();
  const series = new Set<string>();
  let family: OpenFamily | null = null;
  let help: { name: string; text: string } | null = null;
  for (const line of text.slice(0, -1).split('\n')) {
    const fault = (why: string): Error => new Error(`${why}: ${JSON.stringify(line)}`);
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (kind === 'HELP') {
      if (families.has(name)) throw fault('a second HELP');
      help = { name, text: rest };
    } else if (kind === 'TYPE') {
      if (help?.name !== name || families.has(name)) throw fault('a TYPE that does not follow its own HELP');
      if (!types.has(rest)) throw fault('an unknown type');
      family = { name, type: rest, help: help.text, samples: [] };
      families.set(name, family);
      help = null;
    } else {
      const sample = sampleOf(line);
      if (sample === null) throw fault('no line of the format');
      if (family === null || !belongs(sample.name, family)) throw fault('a sample outside its family');
      const id = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
      if (series.has(id)) throw fault('a series that stands twice');
      series.add(id);
      family.samples.push(sample);
    }
  }
  for (const { type, name, samples } of families.values()) {
    if (samples.length === 0) throw new Error(`${name} has no samples`);
    if (type === 'histogram') expectAddsUp(name, samples);
  }
  return families;
}

function sampleOf(line: string): Sample | null {
  const [, name, inner = '', number = ''] = sampleLine.exec(line) ?? [];
  const labels = labelsOf(inner);
  const value = number === '+Inf' ? Infinity : Number(number);
  if (name === undefined || labels === null || number === '' || Number.isNaN(value)) return null;
  return { name, labels, value };
}

function labelsOf(inner: string): Record<string, string> | null {
  const labels: Record<string, string> = {};
  labelPair.lastIndex = 0;
  while (labelPair.lastIndex < inner.length) {
    const [, name, value] = labelPair.exec(inner) ?? [];
    if (name === undefined || value === undefined || name in labels) return null;
    labels[name] = value.replace(/\\(.)/g, (_all, c: string) => (c === 'n' ? '\n' : c));
  }
  return labels;
}

function belongs(name: string, family: Family): boolean {
  if (family.type !== 'histogram') return name === family.name;
  return ['_bucket', '_sum', '_count'].some((suffix) => name === family.name + suffix);
}

/** Buckets rise, the last one is +Inf and equals the count, and there is a sum. */
function expectAddsUp(name: string, samples: readonly Sample[]): void {
  const counts = samples.filter((sample) => sample.name === `${name}_count`);
  for (const { labels, value } of counts) {
    const same = (sample: Sample): boolean =>
      JSON.stringify(Object.entries({ ...sample.labels, le: '' }).sort()) ===
      JSON.stringify(Object.entries({ ...labels, le: '' }).sort());
    const buckets = samples.filter((sample) => sample.name === `${name}_bucket` && same(sample));
    const bounds = buckets.map((bucket) => Number(bucket.labels['le']?.replace('+Inf', 'Infinity')));
    const rising = (values: readonly number[], strictly: boolean): boolean =>
      values.every((v, i) => i === 0 || (strictly ? v > (values[i - 1] ?? v) : v >= (values[i - 1] ?? v)));
    const sums = samples.filter((sample) => sample.name === `${name}_sum` && same(sample));
    const whole = bounds.at(-1) === Infinity && buckets.at(-1)?.value === value && sums.length === 1;
    if (
      !whole ||
      !rising(bounds, true) ||
      !rising(
        buckets.map((b) => b.value),
        false,
      )
    ) {
      throw new Error(`the histogram ${name}${JSON.stringify(labels)} does not add up`);
    }
  }
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
  if (counts.length === 0 || buckets.length % counts.length !== 0) throw new Error(`${name} misses a count`);
}

/**
 * What is wrong with the names, by the rules of Prometheus and ours: counters, and only they, end in `_total`; units are
 * seconds and bytes; everything is ours or of the process; and no label can hold an id.
 */
export function namingFaults(families: Iterable<Family>): string[] {
  const faults: string[] = [];
  for (const { name, type, samples } of families) {
    if (!/^(argosy|process)_[a-z0-9_]+$/.test(name)) faults.push(`${name}: not argosy_ or process_, in small letters`);
    if ((type === 'counter') !== name.endsWith('_total')) faults.push(`${name}: a ${type}`);
    if (/_(ms|millis|milliseconds|micros|minutes|hours|kb|mb|kib|mib|percent)(_|$)/.test(name)) {
      faults.push(`${name}: not in a base unit`);
    }
    for (const { labels } of samples) {
      for (const [label, value] of Object.entries(labels)) {
        if (/run_[0-9a-f]{12}|[0-9a-f]{16}/.test(value)) faults.push(`${name}: ${label} holds the id ${value}`);
      }
    }
  }
  return faults;
}

/** The value of one series, 0 when it is absent; its labels as far as they are named. */
export function reading(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const samples = [...families.values()].flatMap((family) => family.samples);
  return samples
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0);
}
