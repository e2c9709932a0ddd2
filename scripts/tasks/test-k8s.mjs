/**
 * `npm run test:k8s [-- arguments for jest]`: the chart before a real API server, and every role started from the files of
 * an image, as the chart would start it. Not part of `npm test`: it needs Go, and the first time ten minutes to build
 * kube-apiserver. The line `tier:` says what was there.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { layOutTree } from '../image/tree.mjs';
import { provideBubblewrap } from '../servers/bubblewrap.mjs';
import { provideHelm } from '../servers/helm.mjs';
import { kubernetesVersion, provideKubernetes } from '../servers/kubernetes.mjs';
import { provideVersitygw } from '../servers/versitygw.mjs';
import { closingLine, runGroup } from './jest-groups.mjs';

const tree = path.join(mkdtempSync(path.join(tmpdir(), 'argosy-image-')), 'argosy');

try {
  await provideHelm();
  const missing = { kubernetes: await provideKubernetes(), bubblewrap: await provideBubblewrap() };
  // For the integration tests of the object store, which build nothing.
  const store = (await provideVersitygw()) ?? 'versitygw is there for them';
  // The processes of jest inherit them.
  if (missing.kubernetes !== null) process.env.KUBERNETES_MISSING = missing.kubernetes;
  if (missing.bubblewrap !== null) process.env.BUBBLEWRAP_MISSING = missing.bubblewrap;
  layOutTree(tree);
  process.env.IMAGE_TREE = tree;
  process.env.CHAOS_DIST = path.join(tree, 'dist');
  const { skips, ...tally } = await runGroup('kubernetes', process.argv.slice(2));
  for (const skip of skips) process.stdout.write(`skipped: ${skip}\n`);
  const server = missing.kubernetes ?? `kube-apiserver ${kubernetesVersion()} on etcd, server-side dry-run`;
  process.stdout.write(`tier: ${server}; ${missing.bubblewrap ?? 'processes in bubblewrap on a read-only root'}\n`);
  process.stdout.write(`integration tests of the object store: ${store}\n`);
  process.stdout.write(`${closingLine(tally)}\n`);
  process.exitCode = tally.failed > 0 ? 1 : 0;
} catch (error) {
  process.stderr.write(`argosy: ${error.message}\n`);
  process.exitCode = 2;
} finally {
  rmSync(path.dirname(tree), { recursive: true, force: true });
}
