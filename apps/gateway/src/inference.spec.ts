import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expertsResource, inferenceResource } from '#contracts';
import { InferenceGroups } from '#model';
import { jsonLogger } from '#platform';
import type { Runs } from '#runs';
import { closeGroups, type Group, groupThat } from '../../../test/support/playing-group.ts';
import { signingKey } from '../../../test/support/sealing.ts';
import { Gateway } from './gateway.ts';

const offer = { models: new Map(), defaultModel: 'none', providers: [], knowsCorpus: () => false };
const quiet = jsonLogger('gateway', 'error', () => undefined);

let group: Group;
let gone: Group;
let groups: InferenceGroups;
let gateway: Gateway;

async function started(options: Partial<Parameters<typeof Gateway.start>[2]>): Promise<Gateway> {
  const usual = { host: '127.0.0.1', port: 0, tenantId: 'local', signingKey };
  // No route that is asked here looks at a run.
  return await Gateway.start({} as Runs, offer, { ...usual, ...options }, quiet);
}

beforeAll(async () => {
  [group, gone] = [await groupThat(() => undefined), await groupThat(() => undefined)];
  gone.kill();
  groups = new InferenceGroups([group.address, gone.address], null);
  gateway = await started({ groups });
});
afterAll(async () => {
  await gateway.stop();
  await groups.close();
  closeGroups();
});

const get = async (path: string, at = gateway) => await fetch(new URL(path, at.url));

describe('/v1/admin/inference', () => {
  it('tells what each group says, what it does not know as null, and which does not answer', async () => {
    group.load = () => ({ running: 0, kvUsedTokens: 10, balancedness: 0.5 });
    const told = inferenceResource.parse(await (await get('/v1/admin/inference')).json());
    expect(told.groups).toMatchObject([
      {
        ...{ address: group.address, fault: null, serves: { model: 'm', context_tokens: 131_072 } },
        load: { running: 0, kv_used_tokens: 10, balancedness: 0.5, waiting: null, cached_tokens: null },
      },
      { address: gone.address, fault: expect.stringContaining('No inference group answers'), serves: null, load: null },
    ]);
  });

  it('has no groups where the model is served by none', async () => {
    const other = await started({});
    const told = inferenceResource.parse(await (await get('/v1/admin/inference', other)).json());
    expect(told.groups).toEqual([]);
    expect((await get('/v1/admin/inference/experts?group=a:1', other)).status).toBe(404);
    await other.stop();
  });
});

describe('/v1/admin/inference/experts', () => {
  const of = async (address: string) => await get(`/v1/admin/inference/experts?group=${encodeURIComponent(address)}`);

  it('tells where the experts of one group are', async () => {
    const shards = [0b01, 0b11].map((held, at) => ({
      name: `s${at}`,
      open: at === 0,
      answeredTokens: 0,
      held: Buffer.from([held]),
    }));
    group.experts = () => ({ planEpoch: 2, layers: [7], experts: 2, load: [1.23456, 0], shards });
    expect(expertsResource.parse(await (await of(group.address)).json())).toMatchObject({
      ...{ group: group.address, plan_epoch: 2 },
      layers: [{ layer: 7, load: [1.235, 0], holders: [[0, 1], [1]] }],
      shards: [
        { name: 's0', open: true, answered_tokens: 0 },
        { name: 's1', open: false },
      ],
    });
  });

  it('says no to a group that is not configured, that does not answer, and to none', async () => {
    expect((await of('10.0.0.1:443')).status).toBe(404);
    const away = await of(gone.address);
    expect({ status: away.status, retry: away.headers.has('retry-after') }).toEqual({ status: 503, retry: true });
    expect((await get('/v1/admin/inference/experts')).status).toBe(422);
  });
});
