import { beforeEach, describe, expect, it } from '@jest/globals';
import { Autoscaler, Leadership } from '#autoscaler';
import { plainPolicy } from '../support/toy-pool.ts';
import { chartRules, withName } from './access-rules.ts';
import { FakeKubelet } from './fake-kubelet.ts';
import { HandGroups } from './hand-groups.ts';
import { HandWork } from './hand-work.ts';
import { deployment, leaseName, type Scene, slots, until } from './scaling-scene.ts';

/** A pool of inference groups, on whatever API server the scene has. */
export function describeGroups(scene: Scene): void {
  describe('a pool of inference groups', () => {
    const names = ['argosy-adapter-0', 'argosy-adapter-1', 'argosy-adapter-2'];
    const [first = '', second = '', third = ''] = names;
    let groups: HandGroups;
    let kubelet: FakeKubelet;
    const record = new HandWork(slots);

    const sets = (): string => `/apis/apps/v1/namespaces/${scene.namespace}/statefulsets`;
    const sizeOf = async (name: string): Promise<number> => {
      const { spec } = await scene.api.ask<{ spec: { replicas: number } }>('GET', `${sets()}/${name}`);
      return spec.replicas;
    };

    /** As a Service sees them: from then on sessions may come. */
    const allReady = async (wanted: readonly string[]): Promise<boolean> => {
      const views = await Promise.all(wanted.map((name) => scene.cluster.read({ kind: 'StatefulSet', name })));
      return views.every(({ pods }) => pods.length === 2 && pods.every(({ readyAtMs }) => readyAtMs !== undefined));
    };

    beforeEach(async () => {
      await scene.allow(withName(chartRules('gpu-a100-2'), second, third));
      groups = new HandGroups();
      for (const name of names) {
        const labels = { group: name };
        const template = { metadata: { labels }, spec: { containers: [{ name: 'inference', image: 'none' }] } };
        const replicas = name === first ? 2 : 0;
        const spec = {
          replicas,
          serviceName: name,
          podManagementPolicy: 'Parallel',
          selector: { matchLabels: labels },
        };
        const whole = { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name }, spec: { ...spec, template } };
        await scene.api.ask('POST', sets(), whole);
      }
      // The Deployment of the other tests has nothing to do here.
      await scene.api.ask('DELETE', `/apis/apps/v1/namespaces/${scene.namespace}/deployments/${deployment}`);
      kubelet = new FakeKubelet(scene.api, scene.namespace, groups);
      kubelet.begin();
      scene.closing.push(
        () => groups.close(),
        async () => await kubelet.end(),
      );
    });

    /** @returns ends it, which hands over the lead */
    function scale(holder = 'one'): () => Promise<void> {
      const clocks = { steadyMs: () => performance.now(), date: () => new Date() };
      const leadership = new Leadership(scene.cluster, { name: leaseName, holder }, clocks, scene.pace.lease);
      const scaling = {
        work: async () => await groups.work(),
        workers: async () => [],
        drain: async () => undefined,
        pools: async () => [],
        record: async (...told: Parameters<HandWork['record']>) => await record.record(...told),
      };
      const logger = { log: () => undefined };
      const around = {
        cluster: scene.cluster,
        scaling,
        leadership,
        tls: null,
        logger,
        now: () => Date.now() + groups.aheadMs,
      };
      const policy = { ...plainPolicy, name: 'inference', min: 1, max: 3, slots, windowMs: 500, deadBand: 0 };
      const pool = {
        ...{ policy: { ...policy, victims: 'named' as const, drainLimitMs: Number.POSITIVE_INFINITY } },
        ...{ role: 'inference' as const, kind: 'StatefulSet' as const, size: 2, drainLimitMs: 600_000 },
        groups: names.map((name) => ({ name, address: groups.addressOf(name) })),
        mostRuns: 100,
      };
      const settings = { pools: [pool], budgets: { gpus: 0, gpusByTenant: {}, moneyPerDay: 0 } };
      const autoscaler = new Autoscaler(around, { settings, roundMs: scene.pace.roundMs, renewMs: scene.pace.renewMs });
      autoscaler.start();
      let over: Promise<void> | undefined;
      const stop = async (): Promise<void> => {
        over ??= autoscaler.stop();
        await over;
      };
      scene.closing.push(stop);
      return stop;
    }

    /** Since when a group drains, as the cluster has it for whoever leads. */
    const drainStart = async (name: string): Promise<number | undefined> => {
      const { pods } = await scene.cluster.read({ kind: 'StatefulSet', name });
      return pods.find((pod) => pod.name === `${name}-0`)?.drainsSinceMs;
    };

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
      groups.hold(first, 2, 500);
      groups.hold(second, 1, 900);
      groups.hold(third, 1, 50);
      await heard();
      groups.waiting = 0;
      await until(() => groups.draining.length === 1);
      expect([groups.draining, await drainStart(third)]).toEqual([[third], expect.any(Number)]);
      groups.waiting = 2;
      await until(() => groups.draining.length === 0);
      await until(async () => (await drainStart(third)) === undefined);
      expect([groups.up, kubelet.ended]).toEqual([names, []]);
      groups.waiting = 0;
      await until(() => groups.draining.length === 1);
      const [leaving = ''] = groups.draining;
      const rounds = record.decided.length;
      await until(() => record.decided.length > rounds + 6);
      expect(await sizeOf(leaving)).toBe(2);
      groups.hold(leaving, 0, 0);
      groups.hold(second, 2, 950);
      await until(() => groups.up.length === 2);
      expect([groups.up, groups.broken, await sizeOf(leaving)]).toEqual([[first, second], [], 0]);
      expect([...kubelet.sizes].filter((size) => !/ [02]$/.test(size))).toEqual([]);
    });

    it('ends a group when its time to drain is over, whoever has led meanwhile', async () => {
      const stop = scale('one');
      groups.waiting = 6;
      await until(async () => await allReady(names));
      groups.hold(first, 2, 500);
      groups.hold(second, 1, 900);
      groups.hold(third, 1, 50, 0);
      await heard();
      groups.waiting = 0;
      await until(() => groups.draining.length === 1);
      await stop();
      const before = groups.limits.length;
      groups.aheadMs = 240_000;
      scale('two');
      await until(() => groups.limits.length > before + 2);
      expect(Math.max(...groups.limits.slice(before).map(({ deadlineMs }) => deadlineMs))).toBeLessThanOrEqual(360_000);
      expect([groups.draining, await sizeOf(third)]).toEqual([[third], 2]);
      groups.aheadMs = 601_000;
      await until(async () => (await sizeOf(third)) === 0);
      await until(() => groups.up.length === 2);
      expect([groups.up, groups.broken]).toEqual([[first, second], []]);
    });

    it('makes a group whole that somebody took apart', async () => {
      scale();
      await until(async () => await allReady([first]));
      groups.hold(first, 2, 500);
      await scene.api.ask('PATCH', `${sets()}/${first}`, { spec: { replicas: 1 } });
      await until(async () => (await sizeOf(first)) === 2);
      expect(groups.broken).toEqual([]);
    });
  });
}
