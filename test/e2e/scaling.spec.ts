import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Autoscaler, Leadership, openCluster } from '#autoscaler';
import { type FleetRuns, fleetSettings, openFleet } from '#runs';
import { ApiClient, kubeconfigOf } from '../kubernetes/api-client.ts';
import { FakeApiServer, fakeToken, openFake } from '../kubernetes/fake-api-server.ts';
import { FakeKubelet, type Programs } from '../kubernetes/fake-kubelet.ts';
import { describeProcesses, type Stores } from '../kubernetes/scaling-processes.contract.ts';
import { useScene } from '../kubernetes/scaling-scene.ts';
import { emptyWorkplace, eventually } from '../support/argosy.ts';
import { describeFleet } from '../support/local-fleet.ts';
import { keepLooking } from '../support/looking.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { acceptanceOf, requestOf } from '../support/research.ts';
import { specOf, thinkAndAnswer } from '../support/scripted-research.ts';
import { ownPostgres, ownRedis, type PrivateServer } from '../support/servers.ts';
import { plainPolicy } from '../support/toy-pool.ts';

const tenantId = 'acme';
const runCount = 6;
/** Of workers: so long that a busy machine takes none for dead. */
const leaseMs = 10_000;
const program = join(import.meta.dirname, '..', '..', 'dist', 'apps', 'agent-worker', 'src', 'main.js');
const cwd = emptyWorkplace();

/** Agent workers, one for each pod, as containers start them. */
class AgentWorkers implements Programs {
  readonly #env: NodeJS.ProcessEnv;
  readonly #children = new Map<string, ChildProcess>();
  most = 0;

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
  }

  async start(pod: string): Promise<void> {
    const env = { ...this.#env, ARGOSY_INSTANCE: pod };
    const args = ['--disable-warning=ExperimentalWarning', program];
    const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] });
    this.#children.set(pod, child);
    const ready = new Promise<void>((resolve) => {
      if (child.stderr === null) return;
      createInterface({ input: child.stderr }).on('line', (line) => line.includes('"event":"ready"') && resolve());
    });
    await Promise.race([ready, once(child, 'exit')]);
    this.most = Math.max(this.most, this.#children.size);
  }

  async stop(pod: string): Promise<void> {
    const child = this.#children.get(pod);
    this.#children.delete(pod);
    if (child === undefined || child.exitCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }

  get count(): number {
    return this.#children.size;
  }
}

describeFleet('a fleet that an autoscaler sizes', () => {
  let servers: readonly PrivateServer[] = [];

  beforeAll(async () => {
    servers = await Promise.all([ownPostgres(), ownRedis()]);
  }, 120_000);
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
  }, 120_000);

  function stores(): Stores {
    const [databaseUrl = '', redisUrl = ''] = servers.map(({ url }) => url);
    return { databaseUrl, redisUrl };
  }

  describeBurst(stores);

  describe('of several', () => {
    const pace = { roundMs: 50, renewMs: 200, lease: { durationMs: 3_000, limitMs: 2_000 } };
    describeProcesses(useScene(openFake, pace), stores);
  });
});

function describeBurst(stores: () => Stores): void {
  describe('of agent workers', () => {
    let model: ModelServer;
    let fleet: FleetRuns;
    let workers: AgentWorkers;
    let stopLooking: () => Promise<void>;
    const sixWork = Promise.withResolvers<void>();
    const api = new FakeApiServer();
    const closing: (() => unknown)[] = [];

    beforeAll(async () => {
      const { databaseUrl, redisUrl } = stores();
      fleet = await openFleet({ databaseUrl, redisUrl }, fleetSettings(leaseMs));
      stopLooking = keepLooking(fleet.runs, 200);
      // Nobody is done before six workers have started, however long these take.
      model = await startModelServer(() => ({ text: thinkAndAnswer('Nobody knows.'), after: sixWork.promise }));
      const { PATH, HOME } = process.env;
      workers = new AgentWorkers({
        ...{ PATH, HOME, ARGOSY_DATABASE_URL: databaseUrl, ARGOSY_REDIS_URL: redisUrl, ARGOSY_MODEL: specOf(model) },
        ...{ ARGOSY_AGENT_CONCURRENCY: '1', ARGOSY_LEASE_MS: String(leaseMs), ARGOSY_LOG_LEVEL: 'info' },
      });
      await api.open();
    }, 120_000);
    afterAll(async () => {
      sixWork.resolve();
      for (const close of closing.reverse()) await close();
      await stopLooking?.();
      await fleet?.close();
      await model?.close();
      await api.close();
    }, 120_000);

    /** A Deployment of one worker, a kubelet that runs its pods, and an autoscaler. */
    async function begin(): Promise<void> {
      const address = { url: api.url, token: fakeToken };
      const client = new ApiClient(address);
      const spec = { replicas: 1, selector: { matchLabels: { app: 'agents' } } };
      const metadata = { name: 'agents' };
      await client.ask('POST', '/apis/apps/v1/namespaces/default/deployments', { kind: 'Deployment', metadata, spec });
      const kubelet = new FakeKubelet(client, 'default', workers);
      kubelet.begin();
      const { file, remove } = kubeconfigOf(address);
      const cluster = await openCluster({ kubeconfigFile: file, namespace: 'default' });
      const clocks = { steadyMs: () => performance.now(), date: () => new Date() };
      const leadership = new Leadership(cluster, { name: 'scaler', holder: 'one' }, clocks);
      const around = {
        cluster,
        scaling: fleet.scaling,
        leadership,
        tls: null,
        logger: { log: () => undefined },
        now: () => Date.now(),
      };
      const policy = { ...plainPolicy, min: 1, max: runCount, slots: 1, windowMs: 3_000, deadBand: 0 };
      const pools = [{ policy, role: 'agent-worker' as const, deployment: 'agents' }];
      const settings = { pools, budgets: { gpus: 0, gpusByTenant: {}, moneyPerDay: 0 } };
      const autoscaler = new Autoscaler(around, { settings, roundMs: 500, renewMs: 1_000 });
      autoscaler.start();
      closing.push(
        remove,
        async () => await kubelet.end(),
        async () => await autoscaler.stop(),
      );
    }

    it('grows from one agent worker to six under a burst, and back to one, with no step lost', async () => {
      await begin();
      await eventually(async () => (workers.count === 1 ? true : null), 'the first worker');
      const ids = Array.from({ length: runCount }, (_, index) => `run-${index + 1}`);
      for (const runId of ids) await fleet.runs.accept(acceptanceOf(tenantId, runId, { request: requestOf() }));
      await eventually(async () => (workers.most === runCount ? true : null), 'six workers');
      sixWork.resolve();
      for (const runId of ids) {
        const ended = async () => ((await fleet.runs.get(tenantId, runId)).status === 'completed' ? true : null);
        await eventually(ended, `the end of ${runId}`);
      }
      await eventually(async () => (workers.count === 1 ? true : null), 'five workers to leave');
      for (const runId of ids) {
        const { lost } = await fleet.runs.get(tenantId, runId);
        expect(lost).toEqual({ modelCalls: 0, promptTokens: 0 });
      }
      const decisions = await fleet.scaling.decisions('agents', 100);
      expect(JSON.stringify(decisions)).toMatch(/"kind":"drain"/);
    }, 180_000);
  });
}
