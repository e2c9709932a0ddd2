/** Which value of the chart sets each setting, so that none needs `extraEnv` but those that say so. */
import { describe, expect, it } from '@jest/globals';
import { describeConfig, readConfig } from '#platform';
import { findHelm } from '../../scripts/servers/helm.mjs';
import { type Manifest, objectsOf, podOf, valuesOf } from './chart.ts';

const group = ['inference.builtin.groups=1', 'inference.model.claim="weights"', 'model.spec=""'];
const adapter = ['inference.adapter.groups=1', 'inference.model.claim="weights"', 'model.spec=""'];
const tls = 'model.tls={"existingSecret":"tls","identity":true}';
const groupTls = 'inference.tls={"existingSecret":"tls","clientsNeedCertificates":true}';
const scaler = ['autoscaler.mode="argosy"', 'autoscaler.apiServer.peers=[{"ipBlock":{"cidr":"10.0.0.1/32"}}]'];
const telemetry = [
  'telemetry.url="http://collector.observability:4318"',
  'telemetry.headers.existingSecret="otlp"',
  'telemetry.peers=[{"namespaceSelector":{}}]',
];
const login = [
  'login.publicUrl="https://argosy.example"',
  'login.oidc={"issuer":"https://login.example","clientId":"argosy","clientSecret":{"existingSecret":"oidc"},"publicEgress":true,"name":"Acme","tenant":"acme","tenantClaim":"org","tenants":"a.example=acme","admin":"groups=admins","domains":"example.com","hours":1}',
];
const keyOf = (provider: string): string[] => [`search.keys.${provider}.existingSecret="keys"`];
const objects = [
  'objects={"endpoint":"https://s3.storage:9000","bucket":"bytes","existingSecret":"s3","prefix":"p/","peers":[{"podSelector":{}}]}',
  'objects.ca.existingSecret="s3-ca"',
];
const exception = 'networkPolicy.exceptions=[{"host":"10.9.8.7","port":80,"cidr":"10.9.8.7/32"}]';

/** A component whose pods have the setting, once these values are set; without values, always. */
type Set = readonly [component: string, values: readonly string[]];

const bySetting: Readonly<Record<string, Set>> = {
  ARGOSY_HOST: ['gateway', []],
  ARGOSY_PORT: ['gateway', []],
  ARGOSY_HEALTH_PORT: ['dispatcher', []],
  ARGOSY_DATABASE_URL: ['gateway', []],
  ARGOSY_REDIS_URL: ['gateway', []],
  ARGOSY_MIGRATE: ['dispatcher', []],
  ARGOSY_S3_ENDPOINT: ['gateway', objects],
  ARGOSY_S3_REGION: ['gateway', objects],
  ARGOSY_S3_BUCKET: ['dispatcher', objects],
  ARGOSY_S3_PREFIX: ['agent-worker', objects],
  ARGOSY_S3_ADDRESSING: ['tool-web', objects],
  ARGOSY_S3_ACCESS_KEY_ID: ['tool-web', objects],
  ARGOSY_S3_SECRET_ACCESS_KEY: ['gateway', objects],
  ARGOSY_S3_CA_FILE: ['agent-worker', objects],
  ARGOSY_LEASE_MS: ['agent-worker', ['leaseSeconds=11']],
  ARGOSY_GRACE_MS: ['agent-worker', ['agentWorker.graceSeconds=11']],
  ARGOSY_MODEL: ['gateway', []],
  ARGOSY_MODEL_API_KEY: ['agent-worker', ['model.apiKey.existingSecret="model"']],
  ARGOSY_MODEL_CONSTRAIN: ['agent-worker', ['model.constrain="calls"']],
  ARGOSY_MODEL_CONTEXT_TOKENS: ['agent-worker', ['model.contextTokens=4096']],
  ARGOSY_MODEL_PRICES: ['agent-worker', ['model.prices="1,1,1"']],
  ARGOSY_MODEL_TOKENIZER: ['agent-worker', ['model.tokenizer={"claim":"c","path":"p"}']],
  ARGOSY_MODEL_TRACE: ['agent-worker', ['model.trace=true']],
  ARGOSY_MODEL_TLS_CA_FILE: ['agent-worker', [tls]],
  ARGOSY_MODEL_TLS_CERT_FILE: ['agent-worker', [tls]],
  ARGOSY_MODEL_TLS_KEY_FILE: ['agent-worker', [tls]],
  ARGOSY_TOOL_PRICES: ['gateway', ['toolPrices="search=0.1"']],
  ARGOSY_KEY_PEPPER: ['gateway', []],
  ARGOSY_KEY_ENV: ['gateway', ['keys.environment="test"']],
  ARGOSY_SECRETS_KEY: ['gateway', ['tenantSecrets.existingSecret="sealing"']],
  ARGOSY_LIMITS: ['gateway', ['gateway.limits="concurrent_runs=1"']],
  ARGOSY_READING: ['gateway', ['reading="words"']],
  ARGOSY_SIGNING_KEY_FILE: ['gateway', []],
  ARGOSY_PUBLIC_URL: ['gateway', login],
  ARGOSY_OIDC_ISSUER: ['gateway', login],
  ARGOSY_OIDC_CLIENT_ID: ['gateway', login],
  ARGOSY_OIDC_CLIENT_SECRET: ['gateway', login],
  ARGOSY_OIDC_SCOPES: ['gateway', login],
  ARGOSY_OIDC_NAME: ['gateway', login],
  ARGOSY_OIDC_TENANT: ['gateway', login],
  ARGOSY_OIDC_TENANT_CLAIM: ['gateway', login],
  ARGOSY_OIDC_TENANTS: ['gateway', login],
  ARGOSY_OIDC_ADMIN: ['gateway', login],
  ARGOSY_OIDC_DOMAINS: ['gateway', login],
  ARGOSY_OIDC_HOURS: ['gateway', login],
  ARGOSY_EGRESS_ALLOW: ['egress', [exception]],
  ARGOSY_EGRESS_DENY: ['egress', ['networkPolicy.clusterCidrs=["203.0.113.0/24"]']],
  ARGOSY_EGRESS_URL: ['tool-web', []],
  ARGOSY_BROWSER: ['tool-web', []],
  ARGOSY_BROWSER_SANDBOX: ['tool-web', []],
  ARGOSY_TOOLS: ['tool-web', ['toolWorkers.pools.web.kinds=["search","visit"]']],
  ARGOSY_TOOL_CONCURRENCY: ['tool-web', ['toolWorkers.pools.web.concurrency=3']],
  ARGOSY_SEARCH_PROVIDERS: ['tool-web', ['search.providers="arxiv"']],
  ARGOSY_OWN_KEYS: ['tool-web', ['search.ownKeys=["brave"]', 'tenantSecrets.existingSecret="sealing"']],
  ARGOSY_CONTACT: ['tool-web', ['search.contact="a@example.com"']],
  ARGOSY_BRAVE_API_KEY: ['tool-web', keyOf('brave')],
  ARGOSY_TAVILY_API_KEY: ['tool-web', keyOf('tavily')],
  ARGOSY_SERPER_API_KEY: ['tool-web', keyOf('serper')],
  ARGOSY_EXA_API_KEY: ['tool-web', keyOf('exa')],
  ARGOSY_OPENALEX_API_KEY: ['tool-web', keyOf('openalex')],
  ARGOSY_OTLP_URL: ['egress', telemetry],
  ARGOSY_OTLP_HEADERS: ['gateway', telemetry],
  ARGOSY_OTLP_METRICS_MS: ['group-0', [...group, ...telemetry]],
  ARGOSY_TRACE_RATIO: ['adapter-0', [...adapter, ...telemetry]],
  ARGOSY_TRACE_SLOW_MS: ['agent-worker', telemetry],
  ARGOSY_LOG_LEVEL: ['gateway', ['logLevel="debug"']],
  ARGOSY_AGENT_CONCURRENCY: ['agent-worker', ['agentWorker.concurrency=3']],
  ARGOSY_POOLS_FILE: ['autoscaler', scaler],
  ARGOSY_NAMESPACE: ['autoscaler', scaler],
  ARGOSY_SCALE_LEASE: ['autoscaler', scaler],
  ARGOSY_INFERENCE_CHECKPOINT: ['group-0', group],
  ARGOSY_INFERENCE_NAME: ['group-0', [...group, 'inference.model.name="tiny"']],
  ARGOSY_INFERENCE_KV_TOKENS: ['group-0', group],
  ARGOSY_INFERENCE_SHARD_BYTES: ['group-0', group],
  ARGOSY_INFERENCE_REPLICAS: ['group-0', group],
  ARGOSY_INFERENCE_TLS_CA_FILE: ['group-0', [...group, groupTls, tls]],
  ARGOSY_INFERENCE_TLS_CERT_FILE: ['group-0', [...group, groupTls, tls]],
  ARGOSY_INFERENCE_TLS_KEY_FILE: ['group-0', [...group, groupTls, tls]],
  ARGOSY_INFERENCE_RUNNING: ['adapter-0', adapter],
  ARGOSY_INFERENCE_SILENCE_MS: ['adapter-0', [...adapter, 'inference.adapter.silenceSeconds=11']],
  ARGOSY_INFERENCE_SERVER_API_KEY: ['adapter-0', [...adapter, 'inference.adapter.serverKey.existingSecret="engine"']],
  ARGOSY_INFERENCE_GPUS: ['adapter-0', adapter],
};

/** Said on the command line of a pod: which role a process of a group has depends on its place in it. */
const byCommand = ['ROLE', 'SHARDS', 'LISTEN', 'SERVER'].map((name) => `ARGOSY_INFERENCE_${name}`);

/** Not for a pod. */
const ofOtherPlaces: Readonly<Record<string, string>> = {
  ARGOSY_DATA_DIR: 'the image says it',
  ARGOSY_INSTANCE: "the pod's name is the machine's",
  ARGOSY_KUBECONFIG: 'a pod has an account of its own',
};

/** For the value `extraEnv` of a group: of use to who tunes one. */
const ofGroups = [
  ...['STEP_TOKENS', 'WAITING', 'SESSION_IDLE_MS', 'WEIGHTS', 'THREADS', 'REDUNDANT', 'COMBINE', 'WIRE', 'PATIENCE_MS'],
  ...['SHARD_CA_FILE', 'SHARD_CERT_FILE', 'SHARD_KEY_FILE'],
].map((name) => `ARGOSY_INFERENCE_${name}`);

/** For the value `extraEnv` of their roles. */
const byExtraEnv = [...ofGroups, 'ARGOSY_SCALE_LEASE_MS'];

const withHelm = findHelm() === undefined ? describe.skip : describe;
const reason = findHelm() === undefined ? ' [needs helm 3.10 or later]' : '';

withHelm(`the settings of pods${reason}`, () => {
  const rendered = new Map<string, readonly Manifest[]>();
  function objectsWith(values: readonly string[]): readonly Manifest[] {
    const key = values.join();
    const known = rendered.get(key) ?? objectsOf({ files: [valuesOf('laptop')], set: values });
    rendered.set(key, known);
    return known;
  }
  const isOfModels = (component: string): boolean => /^(group|adapter)-/.test(component);
  /** All values of the other components at once: each render takes a while. */
  const together = Object.values(bySetting).flatMap(([component, values]) => (isOfModels(component) ? [] : values));

  /** Of the containers of a component: what a setting is, as text; `[]` where they do not have it. */
  function settingOf(component: string, values: readonly string[], setting: string): string {
    const own = objectsWith(values).flatMap((object) => {
      const pod = podOf(object);
      return pod?.metadata.labels['app.kubernetes.io/component'] === component ? pod.spec.containers : [];
    });
    return JSON.stringify(own.flatMap(({ env = [] }) => env.filter(({ name }) => name === setting)));
  }

  it('are all known, each with the value that sets it or the reason why none does', () => {
    const known = Object.keys(describeConfig(readConfig({}))).sort();
    const told = [...Object.keys(bySetting), ...byCommand, ...Object.keys(ofOtherPlaces), ...byExtraEnv].sort();
    expect(told).toEqual(known);
  });

  it.each(Object.entries(bySetting))('%s is there, by its value', (setting, [component, values]) => {
    const set = settingOf(component, isOfModels(component) ? values : together, setting);
    expect(set).not.toBe('[]');
    const isUsual = values.length === 0 || component.startsWith('group') || component.startsWith('adapter');
    if (!isUsual) expect(settingOf(component, [], setting)).not.toBe(set);
  });

  it("tells a group's GPUs as all its pods together ask for them, and says nothing of those that ask for none", () => {
    const cards = `inference.builtin.resources={"limits":{"nvidia.com/gpu":2,"memory":"96Gi"}}`;
    const set = settingOf('group-0', [...group, 'inference.builtin.shards=3', cards], 'ARGOSY_INFERENCE_GPUS');
    expect(JSON.parse(set)).toEqual([{ name: 'ARGOSY_INFERENCE_GPUS', value: '8' }]);
    expect(settingOf('group-0', group, 'ARGOSY_INFERENCE_GPUS')).toBe('[]');
  });

  it('leaves the schema to the first process where no Job is wanted', () => {
    expect(settingOf('dispatcher', ['migrations.enabled=false'], 'ARGOSY_MIGRATE')).toBe('[]');
    expect(objectsWith(['migrations.enabled=false']).filter(({ kind }) => kind === 'Job')).toEqual([]);
  });
});

withHelm(`what else a release may have${reason}`, () => {
  const laptop = [valuesOf('laptop')];

  it('takes volumes of its own into each role', () => {
    const volume = '[{"name":"mine","emptyDir":{}}]';
    const mount = '[{"name":"mine","mountPath":"/mine"}]';
    const roles = ['gateway', 'dispatcher', 'agentWorker', 'egress', 'toolWorkers.defaults'];
    const set = roles.flatMap((role) => [`${role}.extraVolumes=${volume}`, `${role}.extraVolumeMounts=${mount}`]);
    const pods = objectsOf({ files: laptop, set }).filter(({ kind }) => kind === 'Deployment');
    expect(pods).toHaveLength(5);
    for (const pod of pods) {
      expect(podOf(pod)?.spec['volumes']).toContainEqual({ name: 'mine', emptyDir: {} });
      expect(podOf(pod)?.spec.containers[0]).toMatchObject({
        volumeMounts: expect.arrayContaining([{ name: 'mine', mountPath: '/mine' }]),
      });
    }
  });

  it('has objects of its own, from maps and from templates, and bounds of the namespace', () => {
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'mine' }, data: { a: 'b' } };
    const text = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-too\n';
    const set = [
      `extraObjects=${JSON.stringify([map, text])}`,
      'resourceQuota.hard={"pods":"100"}',
      'limitRange.limits=[{"type":"Container","max":{"memory":"8Gi"}}]',
    ];
    const objects = objectsOf({ files: laptop, set });
    expect(objects).toContainEqual(map);
    expect(objects).toContainEqual({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'argosy-too' } });
    expect(objects.find(({ kind }) => kind === 'ResourceQuota')?.spec).toEqual({ hard: { pods: '100' } });
    expect(objects.find(({ kind }) => kind === 'LimitRange')?.spec).toEqual({
      limits: [{ type: 'Container', max: { memory: '8Gi' } }],
    });
  });

  it('names its Job of migrations after what it is made of, so that another image has another', () => {
    const jobOf = (set: readonly string[]) =>
      objectsOf({ files: laptop, set }).find(({ kind }) => kind === 'Job')?.metadata.name;
    expect(jobOf(['logLevel="debug"'])).toBe(jobOf([]));
    expect(jobOf(['images.app.tag="0.2.0"'])).not.toBe(jobOf([]));
  });
});
