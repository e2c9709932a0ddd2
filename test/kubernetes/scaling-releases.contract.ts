import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Decided } from '#runs';
import { FakeKubelet } from './fake-kubelet.ts';
import { agents, type HandScaling, startScaler } from './hand-scaler.ts';
import { HandWork } from './hand-work.ts';
import { leaseName, type Scene, slots, target, until } from './scaling-scene.ts';

type Memory = Readonly<Record<string, unknown>> | null;

/** An older and a newer release of the autoscaler beside each other, as in every rolling update. */
export function describeReleases(scene: Scene): void {
  describe('two releases', () => {
    let work: HandWork;
    let kubelet: FakeKubelet;
    /** Who made which decisions. */
    let by: string[] = [];

    beforeEach(() => {
      [work, by] = [new HandWork(slots), []];
      kubelet = new FakeKubelet(scene.api, scene.namespace, work);
      kubelet.begin();
      scene.closing.push(async () => await kubelet.end());
    });

    /** The record for a release that keeps what it learned in a form of its own. */
    function recordOf(release: string, form: (memory: Memory) => unknown): HandScaling['scaling'] {
      const record = async (decided: readonly Decided[]): Promise<void> => {
        by.push(release);
        await work.record(decided.map((one) => ({ ...one, memory: form(one.memory as Memory) }))); // by our own decide()
      };
      return {
        work: async (role, sinceMs) => await work.work(role, sinceMs),
        workers: async (role) => await work.workers(role),
        drain: async (workerIds, drains) => await work.drain(workerIds, drains),
        pools: async () => await work.pools(),
        record,
      };
    }

    const older = (): HandScaling => ({
      pools: [agents],
      scaling: recordOf('older', (memory) => memory),
      holder: 'older',
    });
    const newer = (form: (memory: Memory) => unknown): HandScaling => {
      const lease = { durationMs: 2 * scene.pace.lease.durationMs, limitMs: scene.pace.lease.limitMs };
      return { pools: [agents], scaling: recordOf('newer', form), holder: 'newer', lease };
    };
    async function rounds(more: number): Promise<void> {
      const before = by.length;
      await until(() => by.length > before + more);
    }

    it.each([
      ['keeps more of what it learned', (memory: Memory) => ({ ...memory, form: 2, tokens: [1, 2] }), false],
      ['keeps it in another form', (memory: Memory) => ({ form: 2, levels: memory }), true],
    ])('do not fight: one leads, and the other goes on without a jump when that leaves, which %s', async (...given) => {
      const [, form, begins] = given;
      const first = startScaler(scene, newer(form));
      work.arrive(6);
      await until(() => work.present.size === 3 && work.waiting === 0);
      const second = startScaler(scene, older());
      await rounds(6);
      expect([new Set(by), first.leadership.leads, second.leadership.leads]).toEqual([new Set(['newer']), true, false]);
      expect((await scene.cluster.readLease(leaseName))?.holder).toBe('newer');
      await first.stop();
      await until(() => by.at(-1) === 'older');
      await rounds(3);
      expect(by.slice(by.indexOf('older'))).not.toContain('newer');
      expect(second.told.filter((line) => line.startsWith('scaled'))).toEqual([]);
      expect([(await scene.cluster.read(target)).replicas, kubelet.ended, work.handedOver]).toEqual([3, [], 0]);
      expect(second.told.some((line) => line.startsWith('learns anew {"pool":"agents"'))).toBe(begins);
      const third = startScaler(scene, { ...newer(form), holder: 'newer-again' });
      await second.stop();
      await until(() => third.leadership.leads);
      work.arrive(2);
      await until(() => work.present.size === 4 && work.waiting === 0);
      expect(kubelet.ended).toEqual([]);
    });
  });
}
