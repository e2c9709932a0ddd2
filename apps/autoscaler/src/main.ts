import { readFile } from 'node:fs/promises';
import { InvalidInput, messageOf } from '#errors';
import { configuredTls } from '#model';
import { serve } from '#platform';
import { fleetSettings, openFleet, storesOf } from '#runs';
import { Autoscaler } from './autoscaler.ts';
import { openCluster } from './cluster/kubernetes.ts';
import { Leadership, leadTimes } from './leadership.ts';
import { parsePools } from './settings.ts';

const roundMs = 15_000;

await serve('autoscaler', process, async ({ config, logger, workerId, keep }) => {
  const settings = parsePools(await poolsOf(config.ARGOSY_POOLS_FILE));
  const { ARGOSY_KUBECONFIG: kubeconfigFile } = config;
  const { scaling } = keep(await openFleet(storesOf(config), fleetSettings(config.ARGOSY_LEASE_MS)));
  const { answerMs, renewMs, ...lease } = leadTimes(config.ARGOSY_SCALE_LEASE_MS);
  const where = { namespace: config.ARGOSY_NAMESPACE, answerMs };
  const cluster = await openCluster({ ...where, ...(kubeconfigFile === undefined ? {} : { kubeconfigFile }) });
  const clocks = { steadyMs: () => performance.now(), date: () => new Date() };
  const leadership = new Leadership(cluster, { name: config.ARGOSY_SCALE_LEASE, holder: workerId }, clocks, lease);
  const tls = await configuredTls(config);
  const around = { cluster, scaling, leadership, tls, logger, now: () => Date.now() };
  const autoscaler = new Autoscaler(around, { settings, roundMs, renewMs });
  autoscaler.start();
  return autoscaler;
});

/** @throws InvalidInput */
async function poolsOf(file: string | undefined): Promise<string> {
  const path = 'ARGOSY_POOLS_FILE';
  if (file === undefined) throw new InvalidInput([{ path, message: 'is required: it names the pools to scale' }]);
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new InvalidInput([{ path, message: `cannot be read: ${messageOf(cause)}` }], { cause });
  }
}
