import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Autoscaler, type Cluster, type Decision, Leadership, openCluster } from '#autoscaler';
import { plainPolicy } from '../support/toy-pool.ts';
import { type ApiAddress, ApiClient, kubeconfigOf } from './api-client.ts';
import { FakeKubelet } from './fake-kubelet.ts';
import { HandGroups } from './hand-groups.ts';
import { HandWork } from './hand-work.ts';

/** An API server, opened for a suite. */
export interface OpenServer {
  readonly address: ApiAddress;
  /** Goes away and comes back; absent where a test cannot have that. */
  readonly outage?: { begin(): Promise<void>; end(): Promise<void> };
  close(): Promise<void>;
}

const slots = 2;
const deployment = 'agents';
const target = { kind: 'Deployment', name: deployment } as const;

/** Long enough for any machine; a wait that goes on after its test would hold up the others. */
const patienceMs = 150_000;

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`it did not come about: ${holds}`);
    await pause(10);
  }
}

/** How often an autoscaler looks, in ms; a server that takes longer to answer needs a longer lease. */
export interface Pace {
  /** The server can go away and come back. */
  readonly stops: boolean;
  readonly roundMs: number;
  readonly renewMs: number;
  readonly lease: { readonly durationMs: number; readonly limitMs: number };
}

/** For servers that a test may stop and start. */
const whereItMayStop = (pace: Pace): typeof it | typeof it.skip => (pace.stops ? it : it.skip);

/** What the autoscaler needs of a cluster, and does with it; the same on every API server. */
export function describeScaling(name: string, open: () => Promise<OpenServer>, pace: Pace): void {
  describe(`scaling on ${name}`, () => {
    let server: OpenServer;
    let api: ApiClient;
    let namespace: string;
    let cluster: Cluster;
    let count = 0;
    const closing: (() => unknown)[] = [];

    beforeAll(async () => {
      server = await open();
      api = new ApiClient(server.address);
    }, 120_000);
    afterAll(async () => await server.close(), 60_000);

    async function clusterAs(address: ApiAddress): Promise<Cluster> {
      const { file, remove } = kubeconfigOf(address);
      closing.push(remove);
      return await openCluster({ kubeconfigFile: file, namespace });
    }

    beforeEach(async () => {
      namespace = `scaling-${process.pid}-${++count}`;
      await api.ask('POST', '/api/v1/namespaces', {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: namespace },
      });
      const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
      await api.ask('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, account, [409]);
      const labels = { app: deployment };
      const template = { metadata: { labels }, spec: { containers: [{ name: 'worker', image: 'none' }] } };
      const spec = { replicas: 1, selector: { matchLabels: labels }, template };
      const metadata = { name: deployment };
      await api.ask('POST', `/apis/apps/v1/namespaces/${namespace}/deployments`, {
        ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec },
      });
      cluster = await clusterAs(server.address);
    });
    afterEach(async () => {
      for (const close of closing.splice(0).reverse()) await close();
    });

    describe('the cluster', () => {
      it('takes a new scale, and refuses one that was made for an older state', async () => {
        const { replicas, version } = await cluster.read(target);
        expect(replicas).toBe(1);
        await cluster.writeScale(target, 3, version);
        expect((await cluster.read(target)).replicas).toBe(3);
        await expect(cluster.writeScale(target, 9, version)).rejects.toMatchObject({ code: 'overtaken' });
        expect((await cluster.read(target)).replicas).toBe(3);
      });

      it('shows pods with their age, readiness and deletion cost', async () => {
        const kubelet = new FakeKubelet(api, namespace, new HandWork(slots));
        kubelet.begin();
        closing.push(async () => await kubelet.end());
        await until(async () => (await cluster.read(target)).pods.some(({ readyAtMs }) => readyAtMs !== undefined));
        const [pod] = (await cluster.read(target)).pods;
        expect(pod).toMatchObject({ leaving: false, cost: 0 });
        expect(Math.abs((pod?.createdAtMs ?? 0) - Date.now())).toBeLessThan(60_000);
        await cluster.setCost(pod?.name ?? '', -1_000);
        await until(async () => (await cluster.read(target)).pods[0]?.cost === -1_000);
      });

      it('says what is missing, who is refused and who does not answer', async () => {
        await expect(cluster.read({ kind: 'StatefulSet', name: 'nobody' })).rejects.toThrow(
          /There is no StatefulSet nobody/,
        );
        const stranger = await clusterAs({ ...server.address, token: 'wrong' });
        await expect(stranger.read(target)).rejects.toThrow(/Its Role must allow that/);
        const nowhere = await clusterAs({ url: 'http://127.0.0.1:9', token: 'any' });
        await expect(nowhere.read(target)).rejects.toThrow(/Nothing is scaled until it answers/);
      });

      it('names a second owner of a Deployment', async () => {
        expect((await cluster.otherOwners())(target)).toBeUndefined();
        await owned();
        const owners = await cluster.otherOwners();
        expect(owners(target)).toBe('HorizontalPodAutoscaler theirs');
        expect([owners({ ...target, name: 'other' }), owners({ ...target, kind: 'StatefulSet' })]).toEqual([
          undefined,
          undefined,
        ]);
      });
    });

    async function owned(): Promise<void> {
      const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: deployment };
      const spec = { scaleTargetRef, minReplicas: 1, maxReplicas: 9 };
      const body = {
        apiVersion: 'autoscaling/v2',
        kind: 'HorizontalPodAutoscaler',
        metadata: { name: 'theirs' },
        spec,
      };
      await api.ask('POST', `/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers`, body);
    }

    describe('the lead', () => {
      const times = { durationMs: 3_000, limitMs: 2_000 };
      let nowMs = 0;
      const candidate = (holder: string, aheadMs = 0): Leadership => {
        const clocks = { steadyMs: () => nowMs, date: () => new Date(Date.now() + aheadMs) };
        return new Leadership(cluster, { name: 'scaler', holder }, clocks, times);
      };

      it('goes to one of two that strive for it at once, and to the other when that one falls silent', async () => {
        nowMs = 0;
        const both = [candidate('a', 86_400_000), candidate('b')];
        await Promise.all(both.map((one) => one.strive()));
        expect(both.filter(({ leads }) => leads)).toHaveLength(1);
        const [leader, other] = both[0]?.leads ? both : both.toReversed();
        nowMs = 1_999;
        expect([leader?.leads, await other?.strive()]).toEqual([true, false]);
        nowMs = 2_000;
        expect([leader?.leads, await other?.strive()]).toEqual([false, false]);
        nowMs = 5_000;
        expect(await other?.strive()).toBe(true);
        expect(await leader?.strive()).toBe(false);
      });

      it('is kept by renewing it, and given up at once', async () => {
        nowMs = 0;
        const [first, second] = [candidate('a'), candidate('b')];
        for (nowMs = 0; nowMs < 10_000; nowMs += 1_000) {
          expect([await first.strive(), await second.strive()]).toEqual([true, false]);
        }
        await first.resign();
        expect([first.leads, await second.strive()]).toEqual([false, true]);
      });
    });

    describe('a pool', () => {
      let work: HandWork;
      let kubelet: FakeKubelet;
      let faults: string[] = [];
      const policy = {
        ...plainPolicy,
        name: 'agents',
        min: 1,
        max: 6,
        slots,
        windowMs: 500,
        coldStartMs: 100,
        deadBand: 0,
      };

      beforeEach(() => {
        work = new HandWork(slots);
        faults = [];
        kubelet = new FakeKubelet(api, namespace, work);
        kubelet.begin();
        closing.push(async () => await kubelet.end());
      });

      /** An autoscaler at work, which ends with the test. */
      function scale(holder = 'one', through: Cluster = cluster): Autoscaler {
        const clocks = { steadyMs: () => performance.now(), date: () => new Date() };
        const leadership = new Leadership(through, { name: 'scaler', holder }, clocks, pace.lease);
        const logger = {
          log: (_level: string, _event: string, fields?: object) => faults.push(JSON.stringify(fields)),
        };
        const around = { cluster: through, scaling: work, leadership, tls: null, logger, now: () => Date.now() };
        const settings = {
          pools: [{ policy, role: 'agent-worker' as const, deployment }],
          budgets: { gpus: 0, gpusByTenant: {}, moneyPerDay: 0 },
        };
        const autoscaler = new Autoscaler(around, { settings, roundMs: pace.roundMs, renewMs: pace.renewMs });
        autoscaler.start();
        closing.push(async () => await autoscaler.stop());
        return autoscaler;
      }

      const pods = (): string[] => [...work.present.keys()];
      const decisions = (): Decision[] =>
        work.decided.filter(({ pool }) => pool === 'agents').map(({ decision }) => decision as Decision); // as it was made

      it('grows with its backlog, shrinks by what holds nothing, and takes work from nobody', async () => {
        scale();
        work.arrive(10);
        await until(() => pods().length === 5 && work.waiting === 0);
        const [kept = '', ...others] = pods();
        for (const pod of others) work.finish(pod, slots);
        await until(() => pods().length === 1);
        expect([pods(), work.handedOver, work.present.get(kept)?.busy]).toEqual([[kept], 0, slots]);
        expect(decisions().some(({ actions }) => actions.some(({ kind }) => kind === 'drain'))).toBe(true);
      });

      it('takes back a worker that drains, before it asks for a new one', async () => {
        scale();
        work.arrive(4);
        await until(() => pods().length === 2 && work.waiting === 0);
        const [first = '', second = ''] = pods();
        work.finish(first, 1);
        work.finish(second, 1);
        await until(() => [...work.present.values()].some(({ drainsSinceMs }) => drainsSinceMs !== null));
        work.arrive(2);
        await until(() => work.waiting === 0);
        expect([pods(), kubelet.ended]).toEqual([[first, second], []]);
      });

      it('comes back to its level when a node is lost', async () => {
        scale();
        work.arrive(4);
        await until(() => pods().length === 2 && work.waiting === 0);
        const [lost = ''] = pods();
        await kubelet.lose(lost);
        await until(() => pods().length === 2 && work.waiting === 0);
        expect(pods()).not.toContain(lost);
      });

      it('holds while somebody else scales it, and says who', async () => {
        await owned();
        scale();
        work.arrive(10);
        await until(() => decisions().length > 2);
        expect(decisions().at(-1)).toMatchObject({ alarms: ['second-owner'], actions: [] });
        expect(decisions().at(-1)?.reasons[0]).toMatch(/HorizontalPodAutoscaler theirs scales agents, too/);
        expect((await cluster.read(target)).replicas).toBe(1);
      });

      it('goes on under another autoscaler when the first is cut off, with what that had learned', async () => {
        let cut = false;
        const severed = new Proxy(cluster, {
          get: (whole, key) => {
            const call = Reflect.get(whole, key) as (...args: unknown[]) => Promise<unknown>; // all are methods
            return async (...args: unknown[]) => {
              if (cut) throw new Error('cut off');
              return await call.apply(whole, args);
            };
          },
        });
        scale('first', severed);
        await until(() => decisions().length > 0);
        scale('second');
        work.arrive(4);
        await until(() => pods().length === 2);
        cut = true;
        work.arrive(6);
        await until(() => pods().length === 5 && work.waiting === 0);
        expect((await cluster.readLease('scaler'))?.holder).toBe('second');
        expect(work.handedOver).toBe(0);
      });

      whereItMayStop(pace)('holds while the API server is away, and goes on when it is back', async () => {
        const { outage } = server;
        if (outage === undefined) throw new Error('it does not stop');
        scale();
        work.arrive(4);
        await until(() => pods().length === 2);
        await outage.begin();
        work.arrive(4);
        await until(() => faults.some((message) => /Nothing is scaled until it answers/.test(message)));
        expect(pods()).toHaveLength(2);
        await outage.end();
        await until(() => pods().length === 4 && work.waiting === 0);
        expect(work.handedOver).toBe(0);
      });
    });

    describe('a pool of inference groups', () => {
      const names = ['group-0', 'group-1', 'group-2'];
      let groups: HandGroups;
      let kubelet: FakeKubelet;
      const record = new HandWork(slots);

      const sets = (): string => `/apis/apps/v1/namespaces/${namespace}/statefulsets`;
      const sizeOf = async (name: string): Promise<number> => {
        const { spec } = await api.ask<{ spec: { replicas: number } }>('GET', `${sets()}/${name}`);
        return spec.replicas;
      };

      /** As a Service sees them: from then on sessions may come. */
      const allReady = async (wanted: readonly string[]): Promise<boolean> => {
        const views = await Promise.all(wanted.map((name) => cluster.read({ kind: 'StatefulSet', name })));
        return views.every(({ pods }) => pods.length === 2 && pods.every(({ readyAtMs }) => readyAtMs !== undefined));
      };

      beforeEach(async () => {
        groups = new HandGroups();
        for (const name of names) {
          const labels = { group: name };
          const template = { metadata: { labels }, spec: { containers: [{ name: 'inference', image: 'none' }] } };
          const replicas = name === 'group-0' ? 2 : 0;
          const spec = {
            replicas,
            serviceName: name,
            podManagementPolicy: 'Parallel',
            selector: { matchLabels: labels },
          };
          const whole = { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name }, spec: { ...spec, template } };
          await api.ask('POST', sets(), whole);
        }
        // The Deployment of the other tests has nothing to do here.
        await api.ask('DELETE', `/apis/apps/v1/namespaces/${namespace}/deployments/${deployment}`);
        kubelet = new FakeKubelet(api, namespace, groups);
        kubelet.begin();
        closing.push(
          () => groups.close(),
          async () => await kubelet.end(),
        );
      });

      function scale(): void {
        const clocks = { steadyMs: () => performance.now(), date: () => new Date() };
        const leadership = new Leadership(cluster, { name: 'scaler', holder: 'one' }, clocks, pace.lease);
        const scaling = {
          work: async () => await groups.work(),
          workers: async () => [],
          drain: async () => undefined,
          pools: async () => [],
          record: async (...told: Parameters<HandWork['record']>) => await record.record(...told),
        };
        const logger = { log: () => undefined };
        const around = { cluster, scaling, leadership, tls: null, logger, now: () => Date.now() };
        const policy = { ...plainPolicy, name: 'inference', min: 1, max: 3, slots, windowMs: 500, deadBand: 0 };
        const pool = {
          ...{ policy: { ...policy, victims: 'named' as const, drainLimitMs: Number.POSITIVE_INFINITY } },
          ...{ role: 'inference' as const, kind: 'StatefulSet' as const, size: 2, drainLimitMs: 600_000 },
          groups: names.map((name) => ({ name, address: groups.addressOf(name) })),
          mostRuns: 100,
        };
        const settings = { pools: [pool], budgets: { gpus: 0, gpusByTenant: {}, moneyPerDay: 0 } };
        const autoscaler = new Autoscaler(around, { settings, roundMs: pace.roundMs, renewMs: pace.renewMs });
        autoscaler.start();
        closing.push(async () => await autoscaler.stop());
      }

      /** Until the autoscaler has decided by what all groups hold now: they tell it again and again. */
      async function heard(): Promise<void> {
        const told = groups.told;
        await until(() => groups.told > told + 3);
        const rounds = record.decided.length;
        await until(() => record.decided.length > rounds + 2);
      }

      it('starts and ends groups whole, drains the one with the least to lose, and takes it back', async () => {
        scale();
        groups.waiting = 6;
        await until(async () => await allReady(names));
        groups.hold('group-0', 2, 500);
        groups.hold('group-1', 1, 900);
        groups.hold('group-2', 1, 50);
        await heard();
        groups.waiting = 0;
        await until(() => groups.draining.length === 1);
        expect(groups.draining).toEqual(['group-2']);
        groups.waiting = 2;
        await until(() => groups.draining.length === 0);
        expect([groups.up, kubelet.ended]).toEqual([names, []]);
        groups.waiting = 0;
        await until(() => groups.draining.length === 1);
        const [leaving = ''] = groups.draining;
        const rounds = record.decided.length;
        await until(() => record.decided.length > rounds + 6);
        expect(await sizeOf(leaving)).toBe(2);
        groups.hold(leaving, 0, 0);
        groups.hold('group-1', 2, 950);
        await until(() => groups.up.length === 2);
        expect([groups.up, groups.broken, await sizeOf(leaving)]).toEqual([['group-0', 'group-1'], [], 0]);
        expect([...kubelet.sizes].filter((size) => !/ [02]$/.test(size))).toEqual([]);
      });

      it('makes a group whole that somebody took apart', async () => {
        scale();
        await until(async () => await allReady(['group-0']));
        groups.hold('group-0', 2, 500);
        await api.ask('PATCH', `${sets()}/group-0`, { spec: { replicas: 1 } });
        await until(async () => (await sizeOf('group-0')) === 2);
        expect(groups.broken).toEqual([]);
      });
    });
  });
}
