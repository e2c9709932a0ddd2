import { describe, expect, it } from '@jest/globals';
import { eventually } from '../../../test/support/argosy.ts';
import { type Family, namingFaults, parsePrometheus, reading } from '../../../test/support/prometheus.ts';
import { Instruments } from './instruments.ts';
import { namesOf } from './labels.ts';
import { metricsText, startMetrics } from './metrics.ts';

const own = new Instruments();

async function scrape(): Promise<ReadonlyMap<string, Family>> {
  return parsePrometheus(await metricsText());
}

// One process measures once: what these tests count, they count under names of their own.
describe('metrics', () => {
  it('are refused, and cost nothing, before they are started', async () => {
    const early = own.counter('argosy_early_total', 'Counted before the start.');
    early.add(1);
    await expect(metricsText()).rejects.toThrow('startMetrics');
    await startMetrics('test');
    early.add(2);
    expect(reading(await scrape(), 'argosy_early_total')).toBe(2);
  });

  it('say what the process is and how it fares', async () => {
    await startMetrics('another role, too late');
    const busyUntil = performance.now() + 60;
    while (performance.now() < busyUntil);
    const families = await eventually(async () => {
      const seen = await scrape();
      return seen.has('argosy_event_loop_delay_max_seconds') ? seen : null;
    }, 'the event loop to be measured');
    expect(namingFaults(families.values())).toEqual([]);
    expect(families.get('argosy_build_info')?.samples).toEqual([
      {
        name: 'argosy_build_info',
        labels: { version: expect.stringMatching(/^\d+\.\d+\.\d+/), role: 'test' },
        value: 1,
      },
    ]);
    expect(reading(families, 'process_cpu_seconds_total')).toBeGreaterThan(0.06);
    expect(reading(families, 'process_resident_memory_bytes')).toBeGreaterThan(10 * 1024 * 1024);
    expect(reading(families, 'argosy_process_uptime_seconds')).toBeGreaterThan(0.06);
    expect(reading(families, 'process_start_time_seconds')).toBeCloseTo(performance.timeOrigin / 1000);
    expect(reading(families, 'argosy_event_loop_delay_max_seconds')).toBeGreaterThanOrEqual(
      reading(families, 'argosy_event_loop_delay_p50_seconds'),
    );
  });

  it('count from 0 where the series are known beforehand', async () => {
    own.counter('argosy_known_total', 'Of a module that is loaded after the start.', { kind: ['a', 'b'] });
    const unknown = own.counter('argosy_unknown_total', 'Whose labels come with the events.', {
      kind: namesOf('a kind'),
    });
    expect((await scrape()).get('argosy_known_total')?.samples.map(({ labels, value }) => [labels, value])).toEqual([
      [{ kind: 'a' }, 0],
      [{ kind: 'b' }, 0],
    ]);
    expect((await scrape()).has('argosy_unknown_total')).toBe(false);
    unknown.add(1, { kind: 'c' });
    expect(reading(await scrape(), 'argosy_unknown_total', { kind: 'c' })).toBe(1);
  });

  it('spread values over the buckets that were named', async () => {
    const labels = { route: namesOf('a route') };
    const sizes = own.histogram('argosy_sizes_bytes', 'Sizes.', { labels, boundaries: [10, 100] });
    for (const size of [1, 10, 11, 1000]) sizes.record(size, { route: 'a "quoted"\nroute\\' });
    const families = await scrape();
    const bucket = (le: string) => reading(families, 'argosy_sizes_bytes_bucket', { route: 'a "quoted"\nroute\\', le });
    expect([bucket('10'), bucket('100'), bucket('+Inf')]).toEqual([2, 3, 4]);
    expect(reading(families, 'argosy_sizes_bytes_sum')).toBe(1022);
  });

  it('go up and down, and are read only while somebody has something to say', async () => {
    const open = own.upDownCounter('argosy_open_things', 'Things.');
    open.add(2);
    open.add(-1);
    const level = own.gauge('argosy_level', 'A level.');
    const stop = level.from(() => [{ value: 7 }]);
    expect(reading(await scrape(), 'argosy_open_things')).toBe(1);
    expect(reading(await scrape(), 'argosy_level')).toBe(7);
    stop();
    expect((await scrape()).has('argosy_level')).toBe(false);
  });

  it('stay bounded when a label takes ever new values, and lose no count', async () => {
    const wild = own.counter('argosy_wild_total', 'Counted by labels that run away.', {
      name: namesOf('a name'),
      kind: ['a', 'b'] as readonly string[],
    });
    const level = own.gauge('argosy_wild_level', 'A level that runs away.', { name: namesOf('a name', 2) });
    level.from(() => Array.from({ length: 100 }, (_, i) => ({ value: i, labels: { name: `value ${i}` } })));
    for (let i = 0; i < 1000; i++) wild.add(1, { name: `value ${i}`, kind: i < 500 ? 'a' : `kind ${i}` });
    const families = await scrape();
    expect(families.get('argosy_wild_total')?.samples).toHaveLength(30 + 2);
    expect(reading(families, 'argosy_wild_total')).toBe(1000);
    expect(reading(families, 'argosy_wild_total', { name: 'other', kind: 'other' })).toBe(500);
    expect(families.get('argosy_wild_level')?.samples.map(({ labels }) => labels['name'])).toEqual([
      'value 0',
      'value 1',
      'other',
    ]);
  });

  it('are whole for each of those who ask at once: Prometheus, and who sends them on', async () => {
    const { collect } = await startMetrics('test');
    const level = own.gauge('argosy_shared_level', 'A level.');
    const stop = level.from(() => [{ value: 5 }]);
    own.counter('argosy_shared_total', 'Counted.').add(3);
    const told = async () => {
      const { resourceMetrics } = await collect();
      const all = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics);
      const pointOf = (name: string) => all.find(({ descriptor }) => descriptor.name === name)?.dataPoints[0]?.value;
      return [pointOf('argosy_shared_level'), pointOf('argosy_shared_total')];
    };
    const read = async () => {
      const families = await scrape();
      return ['argosy_shared_level', 'argosy_shared_total'].map((name) => reading(families, name));
    };
    expect(await Promise.all([told(), read(), told()])).toEqual([5, 5, 5].map((value) => [value, 3]));
    stop();
    expect(await Promise.all([told(), scrape().then((families) => families.has('argosy_shared_level'))])).toEqual([
      [undefined, 3],
      false,
    ]);
  });

  it('stay bounded when several labels have many values each', async () => {
    const wide = own.counter('argosy_wide_total', 'Of many values.', { a: namesOf('a', 50), b: namesOf('b', 50) });
    for (let i = 0; i < 2500; i++) wide.add(1, { a: `${i % 50}`, b: `${Math.floor(i / 50)}` });
    const family = (await scrape()).get('argosy_wide_total');
    expect(family?.samples.length).toBeLessThanOrEqual(200);
    expect(family?.samples.reduce((sum, { value }) => sum + value, 0)).toBe(2500);
  });

  it('have no labels but those that they were made with', async () => {
    const strict = own.counter('argosy_strict_total', 'With one label.', { kind: ['a'] });
    const runaway: { kind: 'a' } = JSON.parse('{"kind":"a","run_id":"run_0123456789ab"}');
    strict.add(1, runaway);
    expect((await scrape()).get('argosy_strict_total')?.samples).toEqual([
      { name: 'argosy_strict_total', labels: { kind: 'a' }, value: 1 },
    ]);
    expect(() => own.counter('argosy_strict_total', 'A second time.')).toThrow('argosy_strict_total is made twice');
  });

  it('answer many scrapes at once, each whole', async () => {
    const texts = await Promise.all(Array.from({ length: 10 }, async () => await metricsText()));
    for (const text of texts) expect(parsePrometheus(text).has('argosy_build_info')).toBe(true);
  });
});

describe('the reader of the tests', () => {
  it.each([
    ['a series that stands twice', '# HELP a_total x\n# TYPE a_total counter\na_total 1\na_total 2\n'],
    ['a TYPE that does not follow', '# TYPE a gauge\na 1\n'],
    ['a second HELP', '# HELP a x\n# TYPE a gauge\na 1\n# HELP a y\n'],
    ['a sample outside', '# HELP a x\n# TYPE a gauge\na 1\nb 2\n'],
    ['no line of the format', '# HELP a x\n# TYPE a gauge\na{b=c} 1\n'],
    ['does not add up', '# HELP a x\n# TYPE a histogram\na_count 2\na_sum 1\na_bucket{le="+Inf"} 1\n'],
    ['line break', '# HELP a x\n# TYPE a gauge\na 1'],
  ])('refuses %s', (fault, text) => {
    expect(() => parsePrometheus(text)).toThrow(fault);
  });
});
