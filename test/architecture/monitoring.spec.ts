/** Rules, dashboards, the page of what to do, and the metrics that there are fit together. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { readInstruments } from '../../scripts/monitoring/instruments.mjs';
import { asked, readDashboards, readRules } from '../support/monitoring.ts';

type Instrument = Awaited<ReturnType<typeof readInstruments>>[number];

const rules = readRules();
const dashboards = readDashboards();
const queries: readonly (readonly [string, string])[] = [
  ...rules.map((rule) => ['record' in rule ? rule.record : rule.alert, rule.expr] as const),
  ...[...dashboards].flatMap(([file, { panels }]) =>
    panels.flatMap(({ title, targets }) =>
      targets.map(({ expr }) => [`${file}: ${title}`, asked(expr, '1m')] as const),
    ),
  ),
];
/** Labels that Prometheus, its operator or a histogram adds. */
const added = new Set(['namespace', 'instance', 'le', 'slo']);
const recorded = new Set(rules.flatMap((rule) => ('record' in rule ? [rule.record] : [])));

let instruments: ReadonlyMap<string, Instrument>;
beforeAll(async () => {
  instruments = new Map((await readInstruments()).map((one) => [one.name, one]));
}, 60_000);

/** What is wrong with a series that a query names. */
function faultsOf(name: string, matchers: string): string[] {
  if (recorded.has(name)) return [];
  const base = name.replace(/_(bucket|sum|count)$/, '');
  const instrument = instruments.get(name) ?? instruments.get(base);
  if (instrument === undefined) return [`${name} is measured nowhere`];
  const isPart = instrument.name !== name;
  if (isPart !== (instrument.kind === 'histogram')) return [`${name} is no series of a ${instrument.kind}`];
  return [...matchers.matchAll(/(\w+)(=~|!~|!=|=)"([^"]*)"/g)].flatMap(([, label = '', , wanted = '']) => {
    if (added.has(label)) return [];
    const values = instrument.labels[label];
    if (values === undefined) return [`${name} has no label ${label}`];
    if ('of' in values) return [];
    return wanted
      .split('|')
      .flatMap((value) => (values.includes(value) ? [] : [`${name}: ${label} is never ${value}`]));
  });
}

describe('rules and dashboards', () => {
  it('ask for series, labels and values that are measured', () => {
    const faults = queries.flatMap(([where, expr]) => {
      const named = [...expr.matchAll(/\b((?:argosy|process)[a-z0-9_:]+)(?:\{([^}]*)\})?/g)];
      const series = named.flatMap(([, name = '', matchers = '']) => faultsOf(name, matchers));
      const grouped = [...expr.matchAll(/\b(?:by|ignoring|on) \(([^)]*)\)/g)].flatMap(([, list = '']) =>
        list.split(/, ?/),
      );
      const known = new Set(named.flatMap(([, name = '']) => labelsOf(name)));
      const unknown = grouped.filter((label) => !added.has(label) && !known.has(label));
      return [...series, ...unknown.map((label) => `nothing has the label ${label}`)].map((why) => `${where}: ${why}`);
    });
    expect(faults).toEqual([]);
  });

  function labelsOf(name: string): string[] {
    const instrument = instruments.get(name) ?? instruments.get(name.replace(/_(bucket|sum|count)$/, ''));
    return Object.keys(instrument?.labels ?? {});
  }

  it('keep to the namespace that they are for, in every series', () => {
    const open = queries.filter(([, expr]) =>
      [...expr.matchAll(/\b(?:argosy|process)[a-z0-9_:]+(\{[^}]*\})?/g)].some(([, matchers = '']) => {
        return !matchers.includes('namespace=~".*"');
      }),
    );
    expect(open).toEqual([]);
  });

  it('lay out panels that do not overlap, each query with a letter of its own', () => {
    for (const { panels } of dashboards.values()) {
      const places = panels.map(({ gridPos: { x, y } }) => `${x} ${y}`);
      expect(new Set(places).size).toBe(panels.length);
      for (const { targets } of panels) expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
    }
    expect([...dashboards.keys()].sort()).toEqual([
      'cost.json',
      'fleet.json',
      'inference.json',
      'run.json',
      'tools.json',
    ]);
  });
});

describe('an alert', () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'operations.md'), 'utf8');
  const anchors = [...page.matchAll(/<a id="([^"]+)"><\/a>`(\w+)`/g)].map(([, id, name]) => ({ id, name }));
  const alerts = rules.flatMap((rule) => ('alert' in rule ? [rule] : []));

  it('is explained on the page that it links to, and nothing else is', () => {
    const links = alerts.map(({ alert, annotations }) => ({ id: annotations.runbook_url.split('#')[1], name: alert }));
    expect(links).toEqual(expect.arrayContaining(anchors));
    expect(anchors).toEqual(expect.arrayContaining(links));
    for (const { annotations } of alerts) expect(annotations.runbook_url).toMatch(/^docs\/operations\.md#/);
  });

  it('has a name of its own', () => {
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
  });
});
