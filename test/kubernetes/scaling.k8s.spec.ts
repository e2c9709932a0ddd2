import { describe, jest } from '@jest/globals';
import { kubernetesVersion, startApiServer } from '../../scripts/servers/kubernetes.mjs';
import { describeScaling } from './scaling.contract.ts';

jest.setTimeout(180_000);

const pace = { roundMs: 250, renewMs: 1_000, lease: { durationMs: 15_000, limitMs: 10_000 } };

const missing = process.env['KUBERNETES_MISSING'];
const withServer = missing === undefined ? describe : describe.skip;

withServer(`a real API server${missing === undefined ? '' : ` [${missing}]`}`, () => {
  describeScaling(
    `kube-apiserver ${kubernetesVersion()}`,
    async () => {
      const { url, token, certificate, kill, startAgain, stop } = await startApiServer();
      return { address: { url, token, certificate }, outage: { begin: kill, end: startAgain }, close: stop };
    },
    pace,
  );
});
