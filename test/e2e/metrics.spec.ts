/** The metrics of every kind of process, read as Prometheus would; and by a real one, with our rules and dashboards. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { faultsOfRules, findPrometheus, startPrometheus } from '../../scripts/servers/prometheus.mjs';
import { type Role, RoleProcess } from '../chaos/role-process.ts';
import { ApiClient, kubeconfigOf } from '../kubernetes/api-client.ts';
import { FakeApiServer, fakeToken } from '../kubernetes/fake-api-server.ts';
import { argosy, emptyWorkplace, endLeftovers, eventually, launch } from '../support/argosy.ts';
import { asked, readDashboards, readRules, rulesFile } from '../support/monitoring.ts';
import { namingFaults, parsePrometheus, reading } from '../support/prometheus.ts';
import { rulesOf, seriesOf, targetsOf } from '../support/prometheus-client.ts';
import { canOwnServers, ownPostgres, ownRedis, type PrivateServer } from '../support/servers.ts';

/** What stands in the metrics of a process from the start. */
const expected: Readonly<Record<string, readonly string[]>> = {
  gateway: ['argosy_gateway_event_streams'],
  dispatcher: ['argosy_dispatcher_leader', 'argosy_runs', 'argosy_runs_oldest_wait_seconds', 'argosy_put_back_total'],
  'agent-worker': ['argosy_runs_in_flight', 'argosy_steps_committed_total', 'argosy_commits_refused_total'],
  'tool-worker': ['argosy_tool_calls_in_flight', 'argosy_leases_lost_total'],
  egress: ['argosy_egress_exchanges_total', 'argosy_egress_bytes_total'],
  'shard-0': ['argosy_shard_experts', 'argosy_shard_resident_bytes'],
  'shard-1': ['argosy_shard_experts', 'argosy_shard_resident_bytes'],
  coordinator: ['argosy_inference_kv_capacity_tokens', 'argosy_inference_shards', 'argosy_inference_hops_total'],
  autoscaler: ['argosy_scale_leader', 'argosy_scale_target', 'argosy_scale_wanted'],
};
const always = [
  'argosy_build_info',
  'argosy_process_uptime_seconds',
  'argosy_event_loop_delay_p99_seconds',
  'process_cpu_seconds_total',
  'process_resident_memory_bytes',
];
const names = Object.keys(expected);
const roles: readonly Role[] = ['gateway', 'dispatcher', 'agent-worker', 'tool-worker', 'egress'];

const root = join(import.meta.dirname, '..', '..');
const tiny = join(root, 'test', 'golden', 'tiny-researcher');
const programOf = (app: string): string => join(root, 'dist', 'apps', app, 'src', 'main.js');

endLeftovers();
const describeOwn = canOwnServers ? describe : describe.skip;

describeOwn('the metrics of a process (needs servers that may be killed)', () => {
  const folder = emptyWorkplace();
  const servers: PrivateServer[] = [];
  const processes: RoleProcess[] = [];
  const ports = new Map<string, number>();
  const api = new FakeApiServer();
  let removeKubeconfig = (): void => undefined;

  /** Starts what is no role of a store. @returns what it says of itself behind `said` */
  async function begin(name: string, app: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    const running = launch(args, { cwd: folder, script: programOf(app), env: { ...env, ARGOSY_LOG_LEVEL: 'info' } });
    const portAt = async (event: string) =>
      Number(/\d+$/.exec(await running.said(new RegExp(`"event":"${event}".*?"port":\\d+`)))?.[0]);
    ports.set(name, await portAt('ready'));
    return portAt;
  }

  /** A group of a coordinator and two shards. @returns as ARGOSY_MODEL has it */
  async function startGroup(): Promise<string> {
    const model = ['--checkpoint', join(tiny, 'model'), '--listen', '127.0.0.1:0'];
    const env = {
      ARGOSY_INFERENCE_THREADS: '1',
      ARGOSY_INFERENCE_COMBINE: 'deterministic',
      ARGOSY_INFERENCE_WIRE: 'f32',
      // What its processors are taken for: it computes nothing on them.
      ARGOSY_INFERENCE_GPUS: '2',
    };
    const shards = await Promise.all(
      [0, 1].map(async (number) => {
        const portAt = await begin(`shard-${number}`, 'inference', ['--role', 'shard', ...model], env);
        return `127.0.0.1:${await portAt('shard listens')}`;
      }),
    );
    const args = ['--role', 'coordinator', '--shards', shards.join(','), ...model];
    const portAt = await begin('coordinator', 'inference', args, env);
    return `grpc:127.0.0.1:${await portAt('listening')}`;
  }

  async function startAutoscaler(stores: Readonly<Record<string, string>>): Promise<void> {
    await api.open();
    const address = { url: api.url, token: fakeToken };
    const spec = { replicas: 1, selector: { matchLabels: { app: 'agents' } } };
    const deployment = { kind: 'Deployment', metadata: { name: 'agents' }, spec };
    await new ApiClient(address).ask('POST', '/apis/apps/v1/namespaces/default/deployments', deployment);
    const { file, remove } = kubeconfigOf(address);
    removeKubeconfig = remove;
    const pools = join(folder, 'pools.json');
    const pool = { name: 'agents', deployment: 'agents', role: 'agent-worker', min: 1, max: 4, slots: 50 };
    writeFileSync(pools, JSON.stringify({ pools: [pool], budgets: { gpus: 0, gpusByTenant: {}, moneyPerDay: 0 } }));
    await begin('autoscaler', 'autoscaler', [], { ...stores, ARGOSY_POOLS_FILE: pools, ARGOSY_KUBECONFIG: file });
  }

  beforeAll(async () => {
    const group = startGroup();
    const [postgres, redis] = await Promise.all([ownPostgres(), ownRedis()]);
    servers.push(postgres, redis);
    const env = {
      ...{ ARGOSY_PORT: '0', ARGOSY_LOG_LEVEL: 'info', ARGOSY_MODEL: await group },
      ARGOSY_MODEL_PRICES: '0.3,0.03,1.2',
    };
    for (const role of roles) {
      const launched = { role, name: role, databaseUrl: postgres.url, redisUrl: redis.url, env, folder };
      const process = await RoleProcess.start(launched);
      processes.push(process);
      ports.set(role, await process.ready());
    }
    await startAutoscaler({ ARGOSY_DATABASE_URL: postgres.url, ARGOSY_REDIS_URL: redis.url });
  }, 180_000);
  afterAll(async () => {
    for (const process of processes) await process.end();
    for (const server of servers) await server.stop();
    await api.close();
    removeKubeconfig();
  }, 60_000);

  async function scrape(name: string) {
    const response = await fetch(`http://127.0.0.1:${ports.get(name)}/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    return parsePrometheus(await response.text());
  }

  it.each(names)('are what Prometheus reads: %s', async (name) => {
    const wanted = [...always, ...(expected[name] ?? [])];
    // A dispatcher and an autoscaler know the fleet only after their first look.
    const families = await eventually(
      async () => {
        const seen = await scrape(name);
        return wanted.every((one) => seen.has(one)) ? seen : null;
      },
      `${wanted.join(', ')} of the ${name}`,
    );
    expect(namingFaults(families.values())).toEqual([]);
    const isGroup = name === 'coordinator' || name.startsWith('shard-');
    expect(reading(families, 'argosy_build_info', { role: isGroup ? 'inference' : name })).toBe(1);
    expect(families.has('argosy_database_failures_total')).toBe(!isGroup && name !== 'egress');
  });

  it('cost little where many look: a hundred looks, ten at a time, are each whole', async () => {
    const cpuSeconds = async () => reading(await scrape('gateway'), 'process_cpu_seconds_total');
    const before = await cpuSeconds();
    const lane = async () => {
      for (let i = 0; i < 10; i++) expect((await scrape('gateway')).has('argosy_build_info')).toBe(true);
    };
    await Promise.all(Array.from({ length: 10 }, lane));
    // Of processor time, which others on this machine do not take: a tenth of one for ten looks a second is far too much.
    expect(((await cpuSeconds()) - before) / 100).toBeLessThan(0.01);
  });

  const has = findPrometheus() !== undefined;
  const reason = has ? '' : ' [needs prometheus and promtool: apt-get install prometheus]';
  const withPrometheus = has ? it : it.skip;

  withPrometheus(
    `are what every rule and every dashboard asks a real Prometheus for${reason}`,
    async () => {
      expect(faultsOfRules(rulesFile)).toBeNull();
      const targets = Object.fromEntries(names.map((name) => [name, `127.0.0.1:${ports.get(name)}`]));
      const prometheus = await startPrometheus({ targets, rules: rulesFile });
      servers.push(prometheus);
      await eventually(async () => {
        const seen = await targetsOf(prometheus.url);
        return seen.length === names.length && seen.every(({ health }) => health === 'up') ? seen : null;
      }, 'every process to be scraped');
      await research();
      const silent = await unanswered(prometheus.url);
      expect(silent.filter(([where]) => mayBeEmpty(where) === null)).toEqual([]);
      const loaded = await rulesOf(prometheus.url);
      expect(loaded.map(({ name }) => name).sort()).toEqual(
        readRules()
          .map((rule) => ('record' in rule ? rule.record : rule.alert))
          .sort(),
      );
      expect(loaded.filter(({ health }) => health !== 'ok')).toEqual([]);
    },
    180_000,
  );

  it('count the time of GPUs that runs took, which is in their usage and among the work of their group', async () => {
    await research();
    const { stdout } = await argosy(['usage', '--csv'], { cwd: folder, env: gateway() });
    const [columns = [], ...days] = stdout.split('\r\n').map((line) => line.split(','));
    const told = days.slice(0, -1).map((day) => Number(day[columns.indexOf('gpu_seconds')]));
    const used = told.reduce((sum, seconds) => sum + seconds, 0);
    expect(used).toBeGreaterThan(0);
    expect(reading(await scrape('agent-worker'), 'argosy_gpu_seconds_total')).toBeCloseTo(used, 6);
    const group = await scrape('coordinator');
    expect(reading(group, 'argosy_inference_gpus')).toBe(2);
    const replies = reading(group, 'argosy_inference_generations_total', { reason: 'stop' });
    // Each reply is told in whole ms.
    const worked = reading(group, 'argosy_inference_gpu_seconds_total');
    expect(Math.abs(worked - used)).toBeLessThan(0.001 * replies + 1e-6);
    const { stdout: explained } = await argosy(['runs', 'explain', await newestRun()], { cwd: folder, env: gateway() });
    expect(explained).toMatch(/[\d.]+ GPU seconds/);
  });

  const gateway = () => ({ ARGOSY_URL: `http://127.0.0.1:${ports.get('gateway')}` });

  async function newestRun(): Promise<string> {
    const { stdout } = await argosy(['runs', 'list'], { cwd: folder, env: gateway() });
    return /run_\w+/.exec(stdout)?.[0] ?? stdout;
  }

  let researched: Promise<void> | null = null;

  /** One run with a model of the group, and a search in a corpus; of all tests together. */
  async function research(): Promise<void> {
    researched ??= runOnce();
    await researched;
  }

  async function runOnce(): Promise<void> {
    const question = 'When was the lighthouse of Orn Skerry lit for the first time?';
    const { exitCode, stderr } = await argosy(['research', question, '--corpus', join(tiny, 'corpus')], {
      cwd: folder,
      env: gateway(),
    });
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  }
});

/** Every query, by where it stands; an alert's as the share or figure that it compares, whether or not it is too high. */
const queries: readonly (readonly [string, string])[] = [
  ...readRules().map((rule) =>
    'record' in rule
      ? ([`${rule.record} ${rule.labels['slo']}`, rule.expr] as const)
      : ([rule.alert, rule.expr.replace(/ (<|>|!=|==) /g, ' $1 bool ')] as const),
  ),
  ...[...readDashboards()].flatMap(([file, { panels }]) =>
    panels.flatMap(({ title, targets }) =>
      targets.map(({ expr, legendFormat }) => {
        // What is hidden at 0 is there all the same.
        return [`${file}: ${title}: ${legendFormat}`, asked(expr, '1m').replace(/ > 0$/, '')] as const;
      }),
    ),
  ),
];

/** Asks until every query was answered with something, or nothing new comes. @returns those without an answer */
async function unanswered(url: string): Promise<(readonly [string, string])[]> {
  let silent = [...queries];
  await eventually(async () => {
    const counts = await Promise.all(silent.map(async ([, query]) => await seriesOf(url, query)));
    silent = silent.filter((_, at) => counts[at] === 0);
    return silent.every(([where]) => mayBeEmpty(where) !== null) ? true : null;
  }, 'an answer to every query').catch(() => undefined);
  return silent;
}

/** Why nothing is measured for a query in a fleet that is well. */
const empty: readonly (readonly [pattern: RegExp, why: string])[] = [
  [/^ArgosyProviderRefuses$|: Search providers:/, 'no search provider is configured: nothing is asked on the web'],
  [/^ArgosyScalerHolds$|: \{\{pool\}\}: \{\{alarm\}\}$/, 'the pool has no alarm'],
  [/\{\{pool\}\} \{\{kind\}\}, each second$/, 'the autoscaler had nothing to do'],
  [/^ArgosyTelemetryIsLost$|: What an OTLP receiver is sent:/, 'no OTLP receiver is configured'],
];

function mayBeEmpty(where: string): string | null {
  return empty.find(([pattern]) => pattern.test(where))?.[1] ?? null;
}
