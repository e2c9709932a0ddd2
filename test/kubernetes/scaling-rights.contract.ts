import { describe, expect, it } from '@jest/globals';
import type { Cluster } from '#autoscaler';
import { messageOf } from '#errors';
import { chartRules, type Rule } from './access-rules.ts';
import { FakeKubelet } from './fake-kubelet.ts';
import { agents, decisionsOn, programsOf, startScaler, together, tools } from './hand-scaler.ts';
import { HandWork } from './hand-work.ts';
import { deployment, leaseName, type Scene, slots, target, until } from './scaling-scene.ts';

const rules = chartRules('production');

/** Everything that a cluster is asked for, each by itself. @returns what is said against it */
async function refusals(cluster: Cluster): Promise<readonly string[]> {
  const claim = { holder: 'one', durationMs: 3_000, renewedAt: new Date().toISOString() };
  const asked: readonly (() => Promise<unknown>)[] = [
    async () => await cluster.read(target),
    async () => await cluster.writeScale(target, 1, ''),
    async () => await cluster.setCost('nobody', 1),
    async () => await cluster.otherOwners(),
    async () => await cluster.readLease(leaseName),
    async () => await cluster.writeLease(leaseName, claim, undefined),
    async () => await cluster.writeLease(leaseName, claim, '1'),
  ];
  const answers = await Promise.allSettled(asked.map(async (ask) => await ask()));
  const said = answers.flatMap((answer) => (answer.status === 'rejected' ? [messageOf(answer.reason)] : []));
  return said.filter((message) => message.includes('forbids'));
}

/** The rules without one verb of one of them; a rule without any goes, too. */
const without = (index: number, verb: string): readonly Rule[] =>
  rules
    .map((rule, at) => (at === index ? { ...rule, verbs: rule.verbs.filter((each) => each !== verb) } : rule))
    .filter(({ verbs }) => verbs.length > 0);

/** What the account of an autoscaler may do, on whatever API server the scene has. */
export function describeRights(scene: Scene): void {
  describe('the rights of the chart', () => {
    it('are all needed, and the one that is missing is named, with the object where it is of some', async () => {
      expect(await refusals(scene.cluster)).toEqual([]);
      for (const [index, { verbs, resources, resourceNames }] of rules.entries()) {
        for (const verb of verbs) {
          await scene.allow(without(index, verb));
          await until(async () => (await refusals(scene.cluster)).length > 0);
          const said = await refusals(scene.cluster);
          const right = `Its Role in ${scene.namespace} must allow the verb ${verb} on ${resources[0]}`;
          expect(said).toEqual([expect.stringContaining(right)]);
          if (resourceNames !== undefined) expect(said[0]).toMatch(/for argosy-(agent-worker|autoscaler)\.$/);
          await scene.allow(rules);
          await until(async () => (await refusals(scene.cluster)).length === 0);
        }
      }
    });

    it('that are missing for one pool are its alarm until they are given, and the other pool goes on', async () => {
      const [work, calls] = [new HandWork(slots), new HandWork(slots, 'tool-worker')];
      await scene.deploy(tools.deployment, 1);
      const kubelet = new FakeKubelet(scene.api, scene.namespace, programsOf(work, calls));
      kubelet.begin();
      scene.closing.push(async () => await kubelet.end());
      await scene.allow(
        rules.map((rule) =>
          rule.resources.includes('deployments/scale')
            ? { ...rule, resourceNames: (rule.resourceNames ?? []).filter((name) => name !== deployment) }
            : rule,
        ),
      );
      await until(async () => (await refusals(scene.cluster)).length === 1);
      startScaler(scene, { pools: [agents, tools], scaling: together(work, calls) });
      work.arrive(6);
      calls.arrive(6);
      await until(() => calls.present.size === 3 && calls.waiting === 0);
      await until(() => decisionsOn(agents, work).some(({ alarms }) => alarms.includes('not-done')));
      const refused = decisionsOn(agents, work).find(({ alarms }) => alarms.includes('not-done'));
      expect(refused?.reasons.at(-1)).toMatch(
        /forbids this account to scale argosy-agent-worker\. .* the verb update on deployments\/scale \(API group apps\)/,
      );
      expect(decisionsOn(tools, work).flatMap(({ alarms }) => alarms)).toEqual([]);
      expect((await scene.cluster.read(target)).replicas).toBe(1);
      await scene.allow(rules);
      await until(() => work.present.size === 3 && work.waiting === 0);
    });
  });
}
