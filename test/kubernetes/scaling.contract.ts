import { describe, expect, it } from '@jest/globals';
import { Leadership } from '#autoscaler';
import { FakeKubelet } from './fake-kubelet.ts';
import { HandWork } from './hand-work.ts';
import { describeFaults } from './scaling-faults.contract.ts';
import { describeGroups } from './scaling-groups.contract.ts';
import { describeReleases } from './scaling-releases.contract.ts';
import { describeRights } from './scaling-rights.contract.ts';
import { leaseName, type OpenServer, type Pace, type Scene, slots, target, until, useScene } from './scaling-scene.ts';
import { describeWorkers } from './scaling-workers.contract.ts';

interface Place {
  readonly open: () => Promise<OpenServer>;
  readonly pace: Pace;
  /** Further tests on the same server. */
  readonly more?: (scene: Scene) => void;
}

/** What the autoscaler needs of a cluster, and does with it; the same on every API server. */
export function describeScaling(name: string, { open, pace, more }: Place): void {
  describe(`scaling on ${name}`, () => {
    const scene = useScene(open, pace);

    describe('the cluster', () => {
      it('takes a new scale, and refuses one that was made for an older state', async () => {
        const { replicas, version } = await scene.cluster.read(target);
        expect(replicas).toBe(1);
        await scene.cluster.writeScale(target, 3, version);
        expect((await scene.cluster.read(target)).replicas).toBe(3);
        await expect(scene.cluster.writeScale(target, 9, version)).rejects.toMatchObject({ code: 'overtaken' });
        expect((await scene.cluster.read(target)).replicas).toBe(3);
      });

      it('shows pods with their age, readiness and deletion cost', async () => {
        const kubelet = new FakeKubelet(scene.api, scene.namespace, new HandWork(slots));
        kubelet.begin();
        scene.closing.push(async () => await kubelet.end());
        await until(async () =>
          (await scene.cluster.read(target)).pods.some(({ readyAtMs }) => readyAtMs !== undefined),
        );
        const [pod] = (await scene.cluster.read(target)).pods;
        expect(pod).toMatchObject({ leaving: false, cost: 0 });
        expect(Math.abs((pod?.createdAtMs ?? 0) - Date.now())).toBeLessThan(60_000);
        await scene.cluster.setCost(pod?.name ?? '', -1_000);
        await until(async () => (await scene.cluster.read(target)).pods[0]?.cost === -1_000);
      });

      it('says what is missing, who is refused and who does not answer', async () => {
        await expect(scene.cluster.read({ kind: 'Deployment', name: 'argosy-tool-visit' })).rejects.toThrow(
          /There is no Deployment argosy-tool-visit/,
        );
        const stranger = await scene.clusterAs({ ...scene.server.address, token: 'wrong' });
        await expect(stranger.read(target)).rejects.toThrow(/does not know the account that was to read argosy-agent/);
        const nowhere = await scene.clusterAs({ url: 'http://127.0.0.1:9', token: 'any' });
        await expect(nowhere.read(target)).rejects.toThrow(/Nothing is scaled until it answers/);
      });

      it('names a second owner of a Deployment', async () => {
        expect((await scene.cluster.otherOwners())(target)).toBeUndefined();
        await scene.owned();
        const owners = await scene.cluster.otherOwners();
        expect(owners(target)).toBe('HorizontalPodAutoscaler theirs');
        expect([owners({ ...target, name: 'other' }), owners({ ...target, kind: 'StatefulSet' })]).toEqual([
          undefined,
          undefined,
        ]);
      });
    });

    describe('the lead', () => {
      const times = { durationMs: 3_000, limitMs: 2_000 };
      let nowMs = 0;
      /** @param aheadMs of its clock; what it counts from is its own, too */
      const candidate = (holder: string, aheadMs = 0): Leadership => {
        const clocks = { steadyMs: () => nowMs + 3 * aheadMs, date: () => new Date(Date.now() + aheadMs) };
        return new Leadership(scene.cluster, { name: leaseName, holder }, clocks, times);
      };

      it.each([
        ['one clock', 0],
        ['clocks a day apart', 86_400_000],
      ])(
        'goes to one of two that strive for it at once, and to the other when that is silent: %s',
        async (_, aheadMs) => {
          nowMs = 0;
          const both = [candidate('a', aheadMs), candidate('b', -aheadMs)];
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
        },
      );

      it('is kept by renewing it, and given up at once', async () => {
        nowMs = 0;
        const [first, second] = [candidate('a'), candidate('b')];
        for (nowMs = 0; nowMs < 10_000; nowMs += 1_000) {
          expect([await first.strive(), await second.strive()]).toEqual([true, false]);
        }
        await first.resign();
        expect([first.leads, await second.strive()]).toEqual([false, true]);
      });

      it.each([
        ['that does not say for how long', {}, times.durationMs],
        ['for longer than ours', { leaseDurationSeconds: 60 }, 60_000],
        ['for a thousand years', { leaseDurationSeconds: 2_000_000_000 }, 600_000],
      ])('of another release is respected, and what that keeps with it stays: %s', async (_, spec, untilMs) => {
        nowMs = 0;
        const annotations = { 'argosy.dev/form': '2' };
        await scene.lease({ metadata: { name: leaseName, annotations }, spec: { holderIdentity: 'other', ...spec } });
        const ours = candidate('ours');
        expect(await ours.strive()).toBe(false);
        nowMs = untilMs - 1;
        expect(await ours.strive()).toBe(false);
        nowMs = untilMs;
        expect(await ours.strive()).toBe(true);
        const { metadata, spec: kept } = await scene.lease();
        expect([metadata.annotations, kept]).toEqual([
          annotations,
          expect.objectContaining({ holderIdentity: 'ours' }),
        ]);
        expect(kept).toMatchObject({ leaseDurationSeconds: 3, leaseTransitions: 1, acquireTime: kept['renewTime'] });
      });
    });

    describeWorkers(scene);
    describeRights(scene);
    describeFaults(scene);
    describeReleases(scene);
    describeGroups(scene);
    more?.(scene);
  });
}
