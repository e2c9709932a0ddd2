import { FakeApiServer, fakeToken } from './fake-api-server.ts';
import { describeScaling } from './scaling.contract.ts';

describeScaling('the API server in memory', async () => {
  const server = new FakeApiServer();
  await server.open();
  return {
    address: { url: server.url, token: fakeToken },
    outage: { begin: async () => await server.close(), end: async () => await server.open() },
    close: async () => await server.close(),
  };
});
