import { afterAll, beforeAll, describe, jest } from '@jest/globals';
import { kubernetesVersion, startApiServer } from '../../scripts/servers/kubernetes.mjs';
import { canOwnServers, ownPostgres, ownRedis, type PrivateServer } from '../support/servers.ts';
import { describeScaling } from './scaling.contract.ts';
import { describeProcesses } from './scaling-processes.contract.ts';
import type { OpenServer, Scene } from './scaling-scene.ts';

jest.setTimeout(180_000);

const pace = { roundMs: 250, renewMs: 1_000, lease: { durationMs: 15_000, limitMs: 10_000 } };

const missing = process.env['KUBERNETES_MISSING'];
const withServer = missing === undefined ? describe : describe.skip;
const withStores = canOwnServers ? describe : describe.skip;

async function open(): Promise<OpenServer> {
  const { url, token, certificate, kill, startAgain, stop } = await startApiServer();
  return { address: { url, token, certificate }, outage: { begin: kill, end: startAgain }, close: stop };
}

function processes(scene: Scene): void {
  withStores(`processes${canOwnServers ? '' : ' [needs Redis and PostgreSQL here]'}`, () => {
    let stores: readonly PrivateServer[] = [];
    beforeAll(async () => {
      stores = await Promise.all([ownPostgres(), ownRedis()]);
    }, 120_000);
    afterAll(async () => {
      await Promise.all(stores.map((server) => server.stop()));
    }, 60_000);
    describeProcesses(scene, () => {
      const [databaseUrl = '', redisUrl = ''] = stores.map(({ url }) => url);
      return { databaseUrl, redisUrl };
    });
  });
}

withServer(`a real API server${missing === undefined ? '' : ` [${missing}]`}`, () => {
  describeScaling(`kube-apiserver ${kubernetesVersion()}`, { open, pace, more: processes });
});
