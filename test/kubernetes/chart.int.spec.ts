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
    expect(replicas).toEqual([undefined, undefined, undefined]);
  });

  it('tells the autoscaler of groups whole, which then say no number of pods, and of the GPUs that there are', () => {
    const objects = manifests('gpu-a100-2');
    const text = objects.flatMap(({ kind, data }) => (kind === 'ConfigMap' ? (data?.['pools.json'] ?? []) : []));
    const { pools, budgets } = parsePools(text.join());
    const sets = objects.filter(({ kind }) => kind === 'StatefulSet');
    const pool = pools.find(({ role }) => role === 'inference');
    if (pool?.role !== 'inference') throw new Error('no pool of groups');
    expect(pool.groups.map(({ name }) => name)).toEqual(sets.map(({ metadata }) => metadata.name));
    expect(sets.map(({ spec }) => spec?.['replicas'])).toEqual([undefined, undefined]);
    expect(pool).toMatchObject({ size: 1, policy: { min: 1, max: 2, gpusPerUnit: 2, slots: 12 }, mostRuns: 1_000 });
    expect(budgets).toMatchObject({ gpus: 4, moneyPerDay: 200 });
    const services = objects.filter(({ kind }) => kind === 'Service').map(({ metadata }) => metadata.name);
    for (const { address } of pool.groups) expect(services).toContain(address.replace(':50051', ''));
  });

  it("counts a group's GPUs by those that each of its pods asks for", () => {
    const builtin = { groups: 2, shards: 3, resources: { limits: { 'nvidia.com/gpu': 1 } } };
    const set = [`inference.builtin=${JSON.stringify(builtin)}`, 'inference.adapter.groups=0', 'autoscaler.gpus=0'];
    const objects = objectsOf({ files: [valuesOf('gpu-a100-2')], set });
    const text = objects.flatMap(({ kind, data }) => (kind === 'ConfigMap' ? (data?.['pools.json'] ?? []) : []));
    const { pools, budgets } = parsePools(text.join());
    expect(pools.find(({ role }) => role === 'inference')).toMatchObject({ size: 4, policy: { gpusPerUnit: 4 } });
    expect(budgets.gpus).toBe(8);
  });

  it("tells Argosy's own autoscaler pools that it takes, of Deployments whose number nobody else says", () => {
    const objects = manifests('production');
    const text = objects.flatMap(({ kind, data }) => (kind === 'ConfigMap' ? (data?.['pools.json'] ?? []) : []));
    const { pools, budgets } = parsePools(text.join());
    expect(pools).toMatchObject([
      { deployment: 'argosy-agent-worker', role: 'agent-worker', policy: { slots: 50, min: 2, max: 40 } },
      { deployment: 'argosy-tool-browser', kinds: ['browser'], policy: { slots: 4, min: 1, max: 10 } },
      { deployment: 'argosy-tool-visit', kinds: ['visit'], policy: { slots: 8, min: 2, max: 30 } },
    ]);
    expect(budgets.moneyPerDay).toBe(30);
    const deployments = objects.filter(({ kind }) => kind === 'Deployment');
    const scaled = deployments.filter(({ metadata }) =>
      pools.some((pool) => 'deployment' in pool && pool.deployment === metadata.name),
    );
    expect(scaled.map(({ spec }) => spec?.['replicas'])).toEqual([undefined, undefined, undefined]);
    const withTokens = deployments.filter((one) => podOf(one)?.spec['automountServiceAccountToken'] === true);
    expect(withTokens.map(({ metadata }) => metadata.name)).toEqual(['argosy-autoscaler']);
  });

  it('gives each pool of tool workers what its calls need, and nothing else', () => {
    const keys = ['ARGOSY_TOOLS', 'ARGOSY_BROWSER', 'ARGOSY_MODEL', 'ARGOSY_SEARCH_PROVIDERS', 'ARGOSY_BRAVE_API_KEY'];
    const pools = manifests('production').flatMap((object) => {
      const pool = /^argosy-tool-(\w+)$/.exec(object.metadata.name)?.[1];
      const [container] = object.kind === 'Deployment' ? (podOf(object)?.spec.containers ?? []) : [];
      if (pool === undefined || container === undefined) return [];
      const names = (container.env ?? []).map(({ name }) => name);
      const { ARGOSY_TOOLS: tools, ARGOSY_BROWSER: browser } = environmentOf(container);
      return [[pool, tools, browser, keys.slice(2).filter((key) => names.includes(key))]];
    });
    expect(pools).toEqual([
      ['browser', 'browser', '/usr/bin/chromium', ['ARGOSY_MODEL']],
      ['scholar', 'scholar', 'off', ['ARGOSY_SEARCH_PROVIDERS', 'ARGOSY_BRAVE_API_KEY']],
      ['search', 'search', 'off', ['ARGOSY_SEARCH_PROVIDERS', 'ARGOSY_BRAVE_API_KEY']],
      ['visit', 'visit', 'workers', ['ARGOSY_MODEL']],
    ]);
  });

  it('has no pool for works where no provider knows any, and no browser to hand over to where none is', () => {
    const set = ['search.providers="mediawiki"', 'toolWorkers.pools.browser.enabled=false'];
    const objects = objectsOf({ files: [valuesOf('gpu-a100-2')], set }).filter(({ kind }) => kind === 'Deployment');
    const pools = objects.filter(({ metadata }) => metadata.name.includes('-tool-'));
    expect(pools.map(({ metadata }) => metadata.name)).toEqual(['argosy-tool-search', 'argosy-tool-visit']);
    const browsers = pools.map((pool) => podOf(pool)?.spec.containers[0]).map((one) => one && environmentOf(one));
    expect(browsers.map((env) => env?.['ARGOSY_BROWSER'])).toEqual(['off', 'off']);
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
    'two scalers of a pool of tool workers',
    { files: production, set: ['autoscaler.toolWorkers.search={"min":1,"max":2}'] },
    /autoscaler\.toolWorkers\.search and toolWorkers\.pools\.search\.autoscaling\.enabled .* are both set/,
  ],
  [
    'two pools sized by calls of one kind',
    {
      files: production,
      set: [
        'autoscaler.toolWorkers.more={"min":1,"max":2}',
        'toolWorkers.pools.more={"enabled":true,"kinds":["scholar","visit"]}',
      ],
    },
    /autoscaler\.toolWorkers\.visit takes calls of the kind visit, by which another pool/,
  ],
  [
    'a scaled pool that is not there',
    { files: production, set: ['autoscaler.toolWorkers.visits={"min":1,"max":2}'] },
    /autoscaler\.toolWorkers\.visits names no pool: toolWorkers\.pools\.visits is not there/,
  ],
  [
    'a pool of tool workers whose least is above its most',
    { files: production, set: ['autoscaler.toolWorkers.visit.min=31'] },
    /autoscaler\.toolWorkers\.visit\.min is above max/,
  ],
  [
    'a browser without its image',
    { files: production, set: ['toolWorkers.pools.browser.browser=false'] },
    /toolWorkers\.pools\.browser\.kinds has browser: set toolWorkers\.pools\.browser\.browser/,
  ],
  [
    'a browser without any sandbox',
    { files: laptop, set: ['toolWorkers.pools.web.browserSandbox="pod"'] },
    /toolWorkers\.pools\.web\.browserSandbox is pod, and the pod is no sandbox/,
  ],
  [
    'calls that nobody takes',
    { files: production, set: ['toolWorkers.pools.search.enabled=false'] },
    /no enabled pool of toolWorkers\.pools takes calls of the kind search/,
  ],
  [
    'a kind of call that there is not',
    { files: production, set: ['toolWorkers.pools.search.kinds=["python"]'] },
    /toolWorkers\.pools\.search\.kinds/,
  ],
  [
    'a tool that there is not',
    { files: production, set: ['toolWorkers.pools.python.enabled=true'] },
    /toolWorkers\.pools\.python\.enabled: there is no such tool/,
  ],
  [
    'keys of tenants that nobody can keep',
    { files: laptop, set: ['search.ownKeys=["brave"]'] },
    /search\.ownKeys needs tenantSecrets\.existingSecret/,
  ],
  [
    'a pool whose least is above its most',
    { files: production, set: ['autoscaler.agentWorker.min=41'] },
    /autoscaler\.agentWorker\.min is above max/,
  ],
  [
    'a receiver of spans that policies keep away',
    { files: laptop, set: ['telemetry.url="http://collector:4318"'] },
    /telemetry\.url is a receiver that networkPolicy keeps all pods from/,
  ],
  [
    'an autoscaler of groups that there are none of',
    { files: production, set: ['autoscaler.inference.enabled=true'] },
    /autoscaler\.inference\.enabled needs groups/,
  ],
  [
    'more groups at least than there are',
    { files: [valuesOf('gpu-a100-2')], set: ['autoscaler.inference.pool.min=3'] },
    /autoscaler\.inference\.pool\.min is above max/,
  ],
  [
    'an object store that is named by half',
    { files: laptop, set: ['objects.endpoint="https://s3.example.com"', 'objects.publicEgress=true'] },
    /objects\.bucket is required[\s\S]*objects\.existingSecret is required/,
  ],
  [
    'a bucket of no object store',
    { files: laptop, set: ['objects.bucket="bytes"'] },
    /objects\.bucket is set without objects\.endpoint/,
  ],
  [
    'an object store that policies keep away',
    { files: production, set: ['objects.peers=[]'] },
    /objects\.endpoint is a store that networkPolicy keeps all pods from: set objects\.peers/,
  ],
  [
    'a bucket in front of an address',
    { files: production, set: ['objects.addressing="host"', 'objects.endpoint="https://10.1.2.3:9000"'] },
    /objects\.addressing is host, and objects\.endpoint is an address/,
  ],
  [
    'an authority for a store without certificates',
    { files: production, set: ['objects.endpoint="http://s3.storage.svc:9000"'] },
    /objects\.ca\.existingSecret is set, and objects\.endpoint is not https/,
  ],
  [
    'an object store with a password in its address',
    { files: production, set: ['objects.endpoint="https://a:b@s3"'] },
    /objects\.endpoint/,
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
