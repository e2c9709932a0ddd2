import { describe } from '@jest/globals';
import { kubernetesVersion, startApiServer } from '../../scripts/servers/kubernetes.mjs';
import { describeScaling } from './scaling.contract.ts';

const missing = process.env['KUBERNETES_MISSING'];
const withServer = missing === undefined ? describe : describe.skip;

withServer(`a real API server${missing === undefined ? '' : ` [${missing}]`}`, () => {
  describeScaling(`kube-apiserver ${kubernetesVersion()}`, async () => {
    const { url, token, certificate, stop } = await startApiServer();
    return { address: { url, token, certificate }, close: stop };
  });
});
