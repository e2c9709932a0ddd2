/** Every value set, looked at by a real API server. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { kubernetesVersion } from '../../scripts/servers/kubernetes.mjs';
import { type Answer, Cluster } from './api-server.ts';
import { type Manifest, objectsOf, podOf, valueSets, valuesOf } from './chart.ts';

/** Namespaces, with the Pod Security Standard that each enforces. */
const levels = ['restricted', 'baseline'] as const;
type Level = (typeof levels)[number];

const missing = process.env['KUBERNETES_MISSING'];
const withServer = missing === undefined ? describe : describe.skip;

withServer(`on kube-apiserver ${kubernetesVersion()}${missing === undefined ? '' : ` [${missing}]`}`, () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.start();
    for (const level of levels) {
      const labels = { 'pod-security.kubernetes.io/enforce': level };
      await cluster.make({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: level, labels } });
    }
    const gvisor = {
      apiVersion: 'node.k8s.io/v1',
      kind: 'RuntimeClass',
      metadata: { name: 'gvisor' },
      handler: 'runsc',
    };
    await cluster.make(gvisor);
  }, 180_000);
  afterAll(async () => await cluster?.stop(), 60_000);

  const namespaced = (object: Manifest, namespace: string): Manifest => ({
    ...object,
    metadata: object.metadata.namespace === undefined ? object.metadata : { ...object.metadata, namespace },
  });

  /** Pods as their controllers would make them, which is when Pod Security binds them. */
  function podsOf(objects: readonly Manifest[], namespace: string): Manifest[] {
    return objects.flatMap((object) => {
      const shape = podOf(object);
      if (shape === null) return [];
      const metadata = { ...shape.metadata, name: object.metadata.name, namespace };
      const volumes = [...((shape.spec['volumes'] ?? []) as object[]), ...claimsOf(object)]; // a pod's
      return [{ apiVersion: 'v1', kind: 'Pod', metadata, spec: { ...shape.spec, volumes } }];
    });
  }

  /** The volumes that a StatefulSet's controller adds. */
  function claimsOf({ spec }: Manifest): object[] {
    const templates = (spec?.['volumeClaimTemplates'] ?? []) as Pick<Manifest, 'metadata'>[]; // a StatefulSet's
    return templates.map(({ metadata: { name } }) => ({ name, persistentVolumeClaim: { claimName: name } }));
  }

  async function classesOf(objects: readonly Manifest[]): Promise<void> {
    for (const object of objects.filter(({ kind }) => kind === 'PriorityClass')) await cluster.make(object);
  }

  async function refusals(objects: readonly Manifest[], namespace: Level): Promise<string[]> {
    const found: string[] = [];
    for (const object of objects) {
      const { status, body, warnings } = await cluster.tryOut(namespaced(object, namespace));
      if (status === 409 && object.kind === 'PriorityClass') continue;
      if (status !== 201 || warnings.length > 0)
        found.push(`${object.kind} ${object.metadata.name}: ${status} ${body.message ?? ''} ${warnings.join(' ')}`);
    }
    return found;
  }

  it.each(valueSets())('takes every object of the values %s, and says nothing against one', async (set) => {
    const objects = objectsOf({ files: [valuesOf(set)] });
    await classesOf(objects);
    // Only pods with GPUs are not `restricted`, of which a controller's template warns.
    const gpus = objects.some(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name.includes('-adapter-'));
    expect(await refusals(objects, gpus ? 'baseline' : 'restricted')).toEqual([]);
  });

  it.each(valueSets())(
    'takes every pod of the values %s as restricted, and those with GPUs as baseline',
    async (set) => {
      const objects = objectsOf({ files: [valuesOf(set)] });
      await classesOf(objects);
      const restricted = await refusals(podsOf(objects, 'restricted'), 'restricted');
      const withGpus = podsOf(objects, 'restricted').filter(({ metadata }) => metadata.name.includes('-adapter-'));
      const own = set === 'adapter'; // its engine is told to run as a user who is not root
      expect(restricted.map((line) => line.split(':')[0])).toEqual(
        own ? [] : withGpus.map(({ metadata }) => `Pod ${metadata.name}`),
      );
      expect(await refusals(podsOf(objects, 'baseline'), 'baseline')).toEqual([]);
    },
  );

  const pod = (spec: object): Manifest => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'x', namespace: 'restricted' },
    spec: { containers: [{ name: 'x', image: 'x:1', ...spec }] },
  });
  const wrong: readonly [string, Manifest, RegExp][] = [
    ['a privileged pod', pod({ securityContext: { privileged: true } }), /violates PodSecurity "restricted/],
    [
      'a pod with a field that there is not',
      pod({ imagePullPolice: 'Never' }),
      /unknown field "spec\.containers\[0\]\.imagePullPolice"/,
    ],
    [
      'a monitor of nothing',
      {
        apiVersion: 'monitoring.coreos.com/v1',
        kind: 'ServiceMonitor',
        metadata: { name: 'x', namespace: 'restricted' },
        spec: {},
      },
      /spec\.(selector|endpoints): Required/,
    ],
  ];

  it.each(wrong)('refuses %s, so that its word counts', async (_name, manifest, message) => {
    const { status, body }: Answer = await cluster.tryOut(manifest);
    expect({ status, message: body.message }).toEqual({
      status: expect.any(Number),
      message: expect.stringMatching(message),
    });
    expect(status).toBeGreaterThanOrEqual(400);
  });
});
