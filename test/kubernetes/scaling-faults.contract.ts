import { beforeEach, describe, expect, it } from '@jest/globals';
import { FakeKubelet } from './fake-kubelet.ts';
import { agents, decisionsOn, programsOf, startScaler, together, tools } from './hand-scaler.ts';
import { HandWork } from './hand-work.ts';
import { leaseName, type Scene, slots, target, until } from './scaling-scene.ts';

const minute = 60_000;

/** What goes wrong around a pool, beside one with which all is well. */
export function describeFaults(scene: Scene): void {
  describe('a pool among others', () => {
    let work: HandWork;
    let calls: HandWork;
    let kubelet: FakeKubelet;

    beforeEach(() => {
      [work, calls] = [new HandWork(slots), new HandWork(slots, 'tool-worker')];
      kubelet = new FakeKubelet(scene.api, scene.namespace, programsOf(work, calls));
      kubelet.begin();
      scene.closing.push(async () => await kubelet.end());
    });

    const lastOn = (pool: typeof agents | typeof tools) => decisionsOn(pool, work).at(-1);
    const replicas = async (): Promise<number> => (await scene.cluster.read(target)).replicas;

    /** Until so many more decisions were made, on the state as it is now or a later one. */
    async function rounds(more: number): Promise<void> {
      const before = decisionsOn(agents, work).length;
      await until(() => decisionsOn(agents, work).length > before + more);
    }

    it('that is not there is named, and scaled once it is', async () => {
      startScaler(scene, { pools: [agents, tools], scaling: together(work, calls) });
      work.arrive(4);
      calls.arrive(4);
      await until(() => work.present.size === 2);
      expect(lastOn(tools)).toMatchObject({ alarms: ['pool-missing'], actions: [] });
      expect(lastOn(tools)?.reasons[0]).toMatch(/There is no Deployment argosy-tool-browser in .*ARGOSY_POOLS_FILE/);
      await scene.deploy(tools.deployment, 1);
      await until(() => calls.present.size === 2 && calls.waiting === 0);
      expect(lastOn(tools)?.alarms).toEqual([]);
    });

    it('whose pods never become ready asks for no more of them, says so, and grows when they do', async () => {
      await scene.deploy(tools.deployment, 1);
      const release = work.hang();
      scene.closing.push(release);
      let aheadMs = 0;
      const wide = { ...agents, policy: { max: 12 } };
      const now = (): number => Date.now() + aheadMs;
      startScaler(scene, { pools: [wide, tools], scaling: together(work, calls), now });
      work.arrive(8);
      await until(async () => (await replicas()) === 4);
      aheadMs = work.aheadMs = calls.aheadMs = 20 * minute;
      work.arrive(16);
      await until(() => lastOn(agents)?.alarms.includes('never-ready') === true);
      calls.arrive(4);
      await until(() => calls.waiting === 0 && calls.present.size === 2);
      await rounds(3);
      expect(lastOn(agents)).toMatchObject({ target: 4, wanted: 12, alarms: ['never-ready'], actions: [] });
      expect(lastOn(agents)?.reasons).toContain('4 do not become ready: none more until one does');
      expect(await replicas()).toBe(4);
      release();
      await until(() => work.waiting === 0);
      expect([work.present.size, kubelet.ended]).toEqual([12, []]);
    });

    it('of which something absurd is read holds until the numbers are sound, and the other goes on', async () => {
      await scene.deploy(tools.deployment, 1);
      startScaler(scene, { pools: [agents, tools], scaling: together(work, calls) });
      work.arrive(4);
      await until(() => work.present.size === 2);
      const absurd = [
        ...[{ waiting: -3 }, { waiting: Number.NaN }, { active: Number.POSITIVE_INFINITY }, { waiting: 1e12 }],
        ...[{ arrived: -50 }, { finished: Number.NaN }, { oldestWaitMs: -1 }, { atMs: Number.NaN }],
      ];
      for (const misread of absurd) {
        work.misread = misread;
        await rounds(1);
        expect(lastOn(agents)).toMatchObject({ alarms: ['signals-absurd'], actions: [], target: 2 });
      }
      calls.arrive(4);
      await until(() => calls.present.size === 2 && calls.waiting === 0);
      expect([await replicas(), lastOn(tools)?.alarms]).toEqual([2, []]);
      work.misread = {};
      work.arrive(2);
      await until(() => work.present.size === 3 && work.waiting === 0);
      expect(kubelet.ended).toEqual([]);
    });

    it.each([
      ['behind', -30 * minute, 'clock-skew', /signals are \d+ s ahead of this clock/],
      ['ahead of', 30 * minute, 'signals-stale', /signals are \d+ s old/],
    ] as const)(
      'is held by an autoscaler whose clock is %s the record, and goes on under another',
      async (...given) => {
        const [, aheadMs, alarm, reason] = given;
        const now = (): number => Date.now() + aheadMs;
        const wrong = startScaler(scene, { pools: [agents], scaling: work, holder: 'wrong', now });
        await until(() => work.decided.length > 0);
        work.arrive(10);
        await rounds(2);
        expect(lastOn(agents)).toMatchObject({ alarms: [alarm], actions: [] });
        expect(lastOn(agents)?.reasons[0]).toMatch(reason);
        const right = startScaler(scene, { pools: [agents], scaling: work, holder: 'right' });
        await rounds(3);
        expect([right.leadership.leads, await replicas()]).toEqual([false, 1]);
        await wrong.stop();
        await until(() => work.present.size === 5 && work.waiting === 0);
        expect((await scene.cluster.readLease(leaseName))?.holder).toBe('right');
      },
    );
  });
}
