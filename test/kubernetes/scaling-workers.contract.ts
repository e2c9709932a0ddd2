import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Cluster, Decision } from '#autoscaler';
import { FakeKubelet } from './fake-kubelet.ts';
import { agents, decisionsOn, type HandScaler, type HandScaling, startScaler } from './hand-scaler.ts';
import { HandWork } from './hand-work.ts';
import { leaseName, type Scene, slots, target, until } from './scaling-scene.ts';

/** A cluster of which each call is told before it is made. */
function observed(cluster: Cluster, tell: (name: string) => void): Cluster {
  return new Proxy(cluster, {
    get: (whole, key) => {
      const call = Reflect.get(whole, key) as (...args: unknown[]) => Promise<unknown>; // all are methods
      return async (...args: unknown[]) => {
        tell(String(key));
        return await call.apply(whole, args);
      };
    },
  });
}

/** A pool of workers, on whatever API server the scene has. */
export function describeWorkers(scene: Scene): void {
  describe('a pool', () => {
    let work: HandWork;
    let kubelet: FakeKubelet;

    beforeEach(() => {
      work = new HandWork(slots);
      kubelet = new FakeKubelet(scene.api, scene.namespace, work);
      kubelet.begin();
      scene.closing.push(async () => await kubelet.end());
    });

    const scale = (given: Partial<HandScaling> = {}): HandScaler =>
      startScaler(scene, { pools: [agents], scaling: work, ...given });
    const pods = (): string[] => [...work.present.keys()];
    const decisions = (): readonly Decision[] => decisionsOn(agents, work);

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

    it('asks for nothing twice while the cluster is slow to remove what it was asked to', async () => {
      scale();
      work.arrive(10);
      await until(() => pods().length === 5 && work.waiting === 0);
      const [kept = '', ...others] = pods();
      const release = kubelet.hold();
      scene.closing.push(release);
      for (const pod of others) work.finish(pod, slots);
      await until(async () => (await scene.cluster.read(target)).replicas === 1);
      const rounds = decisions().length;
      await until(() => decisions().length > rounds + 4);
      expect(
        decisions()
          .slice(rounds + 1, rounds + 5)
          .flatMap(({ actions }) => actions),
      ).toEqual([]);
      release();
      await until(() => pods().length === 1);
      expect([pods(), work.handedOver, kubelet.ended.toSorted()]).toEqual([[kept], 0, others.toSorted()]);
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
      const severed = observed(scene.cluster, () => {
        if (cut) throw new Error('cut off');
      });
      scale({ holder: 'first', through: severed });
      await until(() => decisions().length > 0);
      scale({ holder: 'second' });
      work.arrive(4);
      await until(() => pods().length === 2);
      cut = true;
      work.arrive(6);
      await until(() => pods().length === 5 && work.waiting === 0);
      expect((await scene.cluster.readLease(leaseName))?.holder).toBe('second');
      expect(work.handedOver).toBe(0);
    });

    it('changes nothing any more when the lead ends in the middle of an action', async () => {
      let jumpedMs = 0;
      const through = observed(scene.cluster, (name) => {
        if (name === 'setCost') jumpedMs = scene.pace.lease.limitMs;
      });
      const { told } = scale({ through, steadyMs: () => performance.now() + jumpedMs });
      work.arrive(4);
      await until(() => pods().length === 2 && work.waiting === 0);
      const [kept = '', idle = ''] = pods();
      work.finish(idle, slots);
      const over = /^not scaled .*The lead was over before this process could scale argosy-agent-worker/;
      await until(() => told.some((line) => over.test(line)));
      await until(() => pods().length === 1);
      expect([pods(), work.handedOver]).toEqual([[kept], 0]);
    });

    it('loses the lead while the API server is away, holds, and goes on when it is back', async () => {
      const { outage } = scene.server;
      const { leadership, told } = scale();
      work.arrive(4);
      await until(() => pods().length === 2 && work.waiting === 0);
      await outage.begin();
      work.arrive(4);
      await until(() => told.some((message) => /Nothing is scaled until it answers/.test(message)));
      await until(() => !leadership.leads);
      const rounds = decisions().length;
      await until(() => told.some((message) => /lost the lead/.test(message)));
      expect([pods().length, kubelet.ended, decisions().length]).toEqual([2, [], rounds]);
      await outage.end();
      await until(() => pods().length === 4 && work.waiting === 0);
      expect([leadership.leads, work.handedOver, kubelet.ended]).toEqual([true, 0, []]);
      expect(decisions().length).toBeGreaterThan(rounds);
    });
  });
}
