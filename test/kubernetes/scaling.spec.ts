import { jest } from '@jest/globals';
import { FakeApiServer, fakeToken } from './fake-api-server.ts';
import { describeScaling } from './scaling.contract.ts';

jest.setTimeout(180_000);

const pace = { roundMs: 50, renewMs: 200, lease: { durationMs: 3_000, limitMs: 2_000 } };

describeScaling(
  'the API server in memory',
  async () => {
    const server = new FakeApiServer();
    await server.open();
    return {
      address: { url: server.url, token: fakeToken },
      outage: { begin: async () => await server.close(), end: async () => await server.open() },
      close: async () => await server.close(),
    };
  },
  pace,
);
