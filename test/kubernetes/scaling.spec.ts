import { jest } from '@jest/globals';
import { openFake } from './fake-api-server.ts';
import { describeScaling } from './scaling.contract.ts';

jest.setTimeout(180_000);

const pace = { roundMs: 50, renewMs: 200, lease: { durationMs: 3_000, limitMs: 2_000 } };

describeScaling('the API server in memory', { open: openFake, pace });
