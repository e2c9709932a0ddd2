import { beforeEach, describe, expect, it } from '@jest/globals';
import { Autoscaler, type Cluster, type Decision, Leadership } from '#autoscaler';
import { plainPolicy } from '../support/toy-pool.ts';
import { FakeKubelet } from './fake-kubelet.ts';
import { HandWork } from './hand-work.ts';
import { deployment, leaseName, type Scene, slots, target, until } from './scaling-scene.ts';

/** A pool of workers, on whatever API server the scene has. */
export function describeWorkers(scene: Scene): void {
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
      kubelet = new FakeKubelet(scene.api, scene.namespace, work);
      kubelet.begin();
      scene.closing.push(async () => await kubelet.end());
    });

    /** An autoscaler at work, which ends with the test. */
    function scale(holder = 'one', through: Cluster = scene.cluster): { readonly leadership: Leadership } {
      const clocks = { steadyMs: () => performance.now(), date: () => new Date() };
      const leadership = new Leadership(through, { name: leaseName, holder }, clocks, scene.pace.lease);
      const logger = {
        log: (_level: string, event: string, fields?: object) => faults.push(`${event} ${JSON.stringify(fields)}`),
      };
      const around = { cluster: through, scaling: work, leadership, tls: null, logger, now: () => Date.now() };
      const settings = {
        pools: [{ policy, role: 'agent-worker' as const, deployment }],
        budgets: { gpus: 0, gpusByTenant: {}, moneyPerDay: 0 },
      };
      const autoscaler = new Autoscaler(around, { settings, roundMs: scene.pace.roundMs, renewMs: scene.pace.renewMs });
      autoscaler.start();
      scene.closing.push(async () => await autoscaler.stop());
      return { leadership };
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
      await scene.owned();
      scale();
      work.arrive(10);
      await until(() => decisions().length > 2);
      expect(decisions().at(-1)).toMatchObject({ alarms: ['second-owner'], actions: [] });
      expect(decisions().at(-1)?.reasons[0]).toMatch(/HorizontalPodAutoscaler theirs scales argosy-agent-worker, too/);
      expect((await scene.cluster.read(target)).replicas).toBe(1);
    });

    it('goes on under another autoscaler when the first is cut off, with what that had learned', async () => {
      let cut = false;
      const severed = new Proxy(scene.cluster, {
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
      expect((await scene.cluster.readLease(leaseName))?.holder).toBe('second');
      expect(work.handedOver).toBe(0);
    });

    it('loses the lead while the API server is away, holds, and goes on when it is back', async () => {
      const { outage } = scene.server;
      const { leadership } = scale();
      work.arrive(4);
      await until(() => pods().length === 2 && work.waiting === 0);
      await outage.begin();
      work.arrive(4);
      await until(() => faults.some((message) => /Nothing is scaled until it answers/.test(message)));
      await until(() => !leadership.leads);
      const rounds = decisions().length;
      await until(() => faults.some((message) => /lost the lead/.test(message)));
      expect([pods().length, kubelet.ended, decisions().length]).toEqual([2, [], rounds]);
      await outage.end();
      await until(() => pods().length === 4 && work.waiting === 0);
      expect([leadership.leads, work.handedOver, kubelet.ended]).toEqual([true, 0, []]);
      expect(decisions().length).toBeGreaterThan(rounds);
    });
  });
}
