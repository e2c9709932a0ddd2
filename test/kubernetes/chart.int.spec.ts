import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parseDocument } from 'yaml';
import { parsePools } from '#autoscaler';
import { readConfig } from '#platform';
import { findHelm } from '../../scripts/servers/helm.mjs';
import { readDashboards, rulesFile } from '../support/monitoring.ts';
import {
  type Container,
  chartFolder,
  extraApis,
  helm,
  type Manifest,
  objectsOf,
  podOf,
  type Render,
  render,
  valueSets,
  valuesOf,
} from './chart.ts';
import { describedValues, readmeOf } from './values-table.ts';

const golden = (set: string): string => join(import.meta.dirname, '..', 'golden', 'helm', `${set}.yaml`);
const laptop = [valuesOf('laptop')];
const production = [valuesOf('production')];

/** Rendered once each. */
const rendered = new Map<string, Manifest[]>();
function manifests(set: string): Manifest[] {
  const objects = rendered.get(set) ?? objectsOf({ files: [valuesOf(set)] });
  rendered.set(set, objects);
  return objects;
}

const nameOf = ({ kind, metadata }: Manifest): string => `${kind}/${metadata.namespace ?? ''}/${metadata.name}`;

/** The environment that a container starts with; what secrets hold is left out. */
function environmentOf({ env = [] }: Container): Record<string, string> {
  return Object.fromEntries(env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])));
}

function graceOf(container: Container): number {
  return (
    Number(environmentOf(container)['ARGOSY_GRACE_MS'] ?? 0) / 1000 +
    (container.lifecycle?.preStop?.sleep?.seconds ?? 0)
  );
}

const withHelm = findHelm() === undefined ? describe.skip : describe;
const reason = findHelm() === undefined ? ' [needs helm 3.10 or later]' : '';

withHelm(`the chart${reason}`, () => {
  describe.each(valueSets())('with the values %s', (set) => {
    it('renders what its golden file has', () => {
      const { text, stderr } = render({ files: [valuesOf(set)] });
      expect(stderr).toBe('');
      if (process.env['WRITE_GOLDEN'] === '1') writeFileSync(golden(set), text);
      expect(text).toBe(readFileSync(golden(set), 'utf8'));
    });

    it('names each object once, in at most 63 characters', () => {
      const names = manifests(set).map(nameOf);
      expect(new Set(names).size).toBe(names.length);
      expect(manifests(set).filter(({ metadata }) => metadata.name.length > 63)).toEqual([]);
    });

    it('gives every process settings that it knows and takes', () => {
      const pods = manifests(set).flatMap((object) => podOf(object) ?? []);
      const containers = pods.flatMap(({ spec }) => [...spec.containers, ...(spec.initContainers ?? [])]);
      const ours = containers.map(environmentOf).filter((env) => 'ARGOSY_HOST' in env);
      expect(ours.length).toBeGreaterThan(4);
      expect(ours.map((env) => readConfig(env).ARGOSY_HOST)).toEqual(ours.map(() => '0.0.0.0'));
    });

    it('lets every pod have its pause, its grace and what a drain may take beyond', () => {
      for (const pod of manifests(set).flatMap((object) => podOf(object) ?? [])) {
        const needed = Math.max(...pod.spec.containers.map(graceOf));
        if (needed > 0) expect(pod.spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(needed + 10);
      }
    });
  });

  it('passes helm lint', () => {
    const files = laptop.flatMap((file) => ['--values', file]);
    expect(helm(['lint', chartFolder, '--strict', ...files])).toMatchObject({ status: 0 });
  });

  it('has names of its own in each of two releases of one namespace', () => {
    const first = manifests('laptop').map(nameOf);
    const second = objectsOf({ files: laptop, release: 'other' }).map(nameOf);
    expect(first.filter((name) => second.includes(name))).toEqual([]);
    expect(second).toHaveLength(first.length);
  });

  it('leaves the number of pods to an autoscaler where there is one', () => {
    const scaled = manifests('production').filter(({ kind }) => kind === 'HorizontalPodAutoscaler');
    const replicas = manifests('production')
      .filter(
        ({ kind, metadata }) => kind === 'Deployment' && scaled.some((hpa) => hpa.metadata.name === metadata.name),
      )
      .map(({ spec }) => spec?.['replicas']);
    expect(replicas).toEqual([undefined, undefined]);
  });

  it("tells Argosy's own autoscaler pools that it takes, of Deployments whose number nobody else says", () => {
    const objects = manifests('production');
    const text = objects.flatMap(({ kind, data }) => (kind === 'ConfigMap' ? (data?.['pools.json'] ?? []) : []));
    const { pools, budgets } = parsePools(text.join());
    expect(pools).toMatchObject([
      { deployment: 'argosy-agent-worker', role: 'agent-worker', policy: { slots: 50, min: 2, max: 40 } },
    ]);
    expect(budgets.moneyPerDay).toBe(30);
    const deployments = objects.filter(({ kind }) => kind === 'Deployment');
    const scaled = deployments.filter(({ metadata }) => pools.some(({ deployment }) => deployment === metadata.name));
    expect(scaled.map(({ spec }) => spec?.['replicas'])).toEqual([undefined]);
    const withTokens = deployments.filter((one) => podOf(one)?.spec['automountServiceAccountToken'] === true);
    expect(withTokens.map(({ metadata }) => metadata.name)).toEqual(['argosy-autoscaler']);
  });
});

const bad: readonly [string, Render, RegExp][] = [
  ['no values at all', {}, /externalPostgres\.existingSecret is required[\s\S]*keys\.existingSecret and keys\.pepper/],
  ['a name that no value has', { files: laptop, set: ['gatewey={}'] }, /gatewey is not allowed/],
  ['text for a number', { files: laptop, set: ['gateway.replicas="two"'] }, /gateway\.replicas: Invalid type/],
  ['an image without a fixed version', { files: laptop, set: ['images.app.tag="latest"'] }, /images\.app\.tag/],
  [
    'three GPUs',
    { files: [valuesOf('gpu-a100-2')], set: ['inference.adapter.gpu.count=3'] },
    /gpu\.count must be one of/,
  ],
  [
    'two Postgres',
    { files: laptop, set: ['externalPostgres.existingSecret="x"'] },
    /postgres\.enabled and externalPostgres\.existingSecret are both set/,
  ],
  [
    'stores that policies keep away',
    { files: production, set: ['externalRedis.peers=[]'] },
    /externalRedis\.peers is required/,
  ],
  [
    'a model that policies keep away',
    { files: production, set: ['model.publicEgress=false'] },
    /model\.peers, or model\.publicEgress/,
  ],
  [
    'a range as an exception',
    { files: laptop, set: ['networkPolicy.exceptions=[{"host":"a","port":80,"cidr":"10.0.0.0/8"}]'] },
    /exceptions\[0\]\.cidr is 10\.0\.0\.0\/8, wider than one address/,
  ],
  [
    'a range of IPv6 as an exception',
    { files: laptop, set: ['networkPolicy.exceptions=[{"host":"a","port":80,"cidr":"fd00::/32"}]'] },
    /wider than one address/,
  ],
  [
    'a range among peers of an exception',
    {
      files: laptop,
      set: ['networkPolicy.exceptions=[{"host":"a","port":80,"peer":{"ipBlock":{"cidr":"10.0.0.0/8"}}}]'],
    },
    /peer has an ipBlock/,
  ],
  [
    'an autoscaler that policies keep from its API server',
    { files: production, set: ['autoscaler.apiServer.peers=[]'] },
    /autoscaler\.apiServer\.peers is required/,
  ],
  [
    'two scalers of tool workers',
    { files: production, set: ['autoscaler.toolWorker.enabled=true'] },
    /toolWorker\.enabled and toolWorkers\.defaults\.autoscaling\.enabled are both set/,
  ],
  [
    'an autoscaler over two pools of tool workers',
    {
      files: production,
      set: ['autoscaler.toolWorker.enabled=true', 'toolWorkers.pools.more={"enabled":true,"browser":false}'],
    },
    /autoscaler\.toolWorker\.enabled needs one pool/,
  ],
  [
    'a pool whose least is above its most',
    { files: production, set: ['autoscaler.agentWorker.min=41'] },
    /autoscaler\.agentWorker\.min is above max/,
  ],
  ['no model', { files: laptop, set: ['model.spec=""'] }, /model\.spec is empty and there is no group/],
  [
    'groups without weights',
    { files: laptop, set: ['inference.builtin.groups=1'] },
    /inference\.model says nowhere where the weights are/,
  ],
  [
    'two engines',
    { files: [valuesOf('adapter')], set: ['inference.builtin.groups=1'] },
    /builtin\.groups and inference\.adapter\.groups are both set/,
  ],
  [
    'no Prometheus operator',
    { files: production, apis: extraApis.slice(1) },
    /monitoring\.enabled needs monitoring\.coreos\.com\/v1/,
  ],
  [
    'no Gateway API',
    { files: production, apis: extraApis.slice(0, 1) },
    /gateway\.httpRoute\.enabled needs gateway\.networking\.k8s\.io\/v1/,
  ],
];

withHelm(`what watches over it${reason}`, () => {
  const ops = 'https://ops.example/argosy';
  const set = [
    'monitoring.dashboards.enabled=true',
    `monitoring.alerts.runbook="${ops}"`,
    'monitoring.alerts.oldestWaitSeconds=77',
  ];
  const objects = objectsOf({ files: production, set });
  const named = (kind: string, end: string): Manifest | undefined =>
    objects.find((object) => object.kind === kind && object.metadata.name.endsWith(end));

  it('is the rules of the file, for its own namespace, with the limits and the address that are set', () => {
    const rule = named('PrometheusRule', 'alerts');
    const text = JSON.stringify(rule?.spec);
    const own = `namespace=\\"${rule?.metadata.namespace}\\"`;
    const plain = readFileSync(rulesFile, 'utf8');
    expect(text.split(own).length).toBe(plain.split('namespace=~\\".*\\"').length);
    expect(text).not.toContain('namespace=~');
    expect(text).toContain('> 77"');
    expect(text.split(`"${ops}#argosy`).length - 1).toBe(plain.split('runbook_url: ').length - 1);
  });

  it("gives Grafana's sidecar every dashboard as it is", () => {
    const map = named('ConfigMap', 'dashboards');
    expect(map?.metadata.labels?.['grafana_dashboard']).toBe('1');
    const given = Object.entries(map?.data ?? {}).map(([file, text]) => [file, JSON.parse(text)] as const);
    expect(given.map(([file]) => file)).toEqual([...readDashboards().keys()].map((file) => `argosy-${file}`));
    for (const [file, dashboard] of given) {
      expect(dashboard).toMatchObject({ ...readDashboards().get(file.replace('argosy-', '')) });
    }
  });
});

withHelm(`values that are refused${reason}`, () => {
  it.each(bad)('%s', (_name, options, message) => {
    const { status, stderr } = render(options);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(message) });
  });
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
}

/** Paths of values that stand for themselves: scalars, lists, and maps that are free. */
function leaves(value: unknown, schema: Schema | undefined, path: string): string[] {
  const { properties } = schema ?? {};
  if (typeof value !== 'object' || value === null || Array.isArray(value) || properties === undefined) return [path];
  return Object.entries(value).flatMap(([key, inner]) =>
    leaves(inner, properties[key], path === '' ? key : `${path}.${key}`),
  );
}

describe('values.yaml', () => {
  const text = readFileSync(join(chartFolder, 'values.yaml'), 'utf8');
  const schema: Schema = JSON.parse(readFileSync(join(chartFolder, 'values.schema.json'), 'utf8'));
  const values: unknown = parseDocument(text).toJS();
  const pools = (path: string): boolean => path.startsWith('toolWorkers.pools');

  it('says of each value what it is for', () => {
    const described = new Set(describedValues(text).map(({ path }) => path));
    const covered = (path: string): boolean =>
      described.has(path) || (path.includes('.') && covered(path.slice(0, path.lastIndexOf('.'))));
    expect(leaves(values, schema, '').filter((path) => !pools(path) && !covered(path))).toEqual([]);
  });

  it('is what the README of the chart says', () => {
    const file = join(chartFolder, 'README.md');
    if (process.env['WRITE_GOLDEN'] === '1') writeFileSync(file, readmeOf(text));
    expect(readFileSync(file, 'utf8')).toBe(readmeOf(text));
  });

  it('has a place in the schema for each value, which takes no other', () => {
    const unknown: string[] = [];
    const walk = (node: unknown, at: Schema | undefined, path: string): void => {
      if (at === undefined) unknown.push(path);
      if (typeof node !== 'object' || node === null || Array.isArray(node) || at?.properties === undefined) return;
      if (at.additionalProperties !== false) unknown.push(`${path} is open`);
      for (const [key, inner] of Object.entries(node)) walk(inner, at.properties[key], `${path}.${key}`);
    };
    walk(values, schema, '');
    expect(unknown).toEqual([]);
  });
});
