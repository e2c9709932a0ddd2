/** Shards whose numbers may differ in their last bits: what a group does about them. */
import { afterEach, expect, it } from '@jest/globals';
import { Unavailable } from '#errors';
import { plainBackend } from '#moe';
import { exact, layerInput, never, useTinyModel } from '../../../../test/support/expert-group.ts';
import { ResidentExperts } from '../shard/resident-experts.ts';
import { ShardServer } from '../shard/shard-server.ts';
import { ExpertGroup } from './expert-group.ts';
import { LocalShard } from './local-shard.ts';
import { RemoteShard } from './remote-shard.ts';
import type { Shard } from './shard.ts';

const model = useTinyModel();
const own = plainBackend().arithmetic;
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function expertsWith(arithmetic: string): ResidentExperts {
  return new ResidentExperts(model.checkpoint(), { ...plainBackend(), arithmetic }, 2 ** 30);
}

async function groupOf(shards: readonly Shard[], mode: 'deterministic' | 'reduced', log = (_: string) => {}) {
  const logger = { log: (_: string, event: string) => log(event) };
  const group = await ExpertGroup.start(shards, model.checkpoint(), { settings: { ...exact, mode }, logger });
  closing.push(() => group.close());
  return group;
}

async function remoteShard(arithmetic: string): Promise<RemoteShard> {
  const server = await ShardServer.start(expertsWith(arithmetic), { listen: '127.0.0.1:0' }, { log: () => undefined });
  closing.push(() => server.stop(0));
  return new RemoteShard(`127.0.0.1:${server.port}`);
}

it('is refused where the bits are to be the same, with both of them named', async () => {
  const shards = [await remoteShard(own), await remoteShard('gpu-1, sm_90')];
  await expect(groupOf(shards, 'deterministic')).rejects.toThrow(
    `Shard ${shards[1]?.name} computes with "gpu-1, sm_90", its coordinator with "${own}": `,
  );
  expect(own).toMatch(/^plain-\d+, V8 \d.*, \w+$/);
});

it('is said once where a shard adds by itself', async () => {
  const said: string[] = [];
  const others = [await remoteShard('gpu-1'), await remoteShard('gpu-2'), await remoteShard(own)];
  const group = await groupOf(others, 'reduced', (event) => said.push(event));
  expect(said.filter((event) => event === 'shards compute with different arithmetic')).toHaveLength(1);
  const { x, routing } = layerInput(4, 2);
  expect(await group.apply(0, x, routing, never)).toHaveLength(x.length);
});

it('that comes back in the place of a lost shard stays out, and the others go on', async () => {
  const broken = { ...plainBackend(), runExpert: () => Promise.reject(new Unavailable('A compute thread has died.')) };
  let opened = 0;
  const changed = new LocalShard('changed', () =>
    opened++ === 0 ? new ResidentExperts(model.checkpoint(), broken, 2 ** 30) : expertsWith('other'),
  );
  const refused = Promise.withResolvers<void>();
  const shards = [...model.localShards(1), changed];
  const group = await groupOf(shards, 'deterministic', (event) => {
    if (event === 'shard refused') refused.resolve();
  });
  const { x, routing } = layerInput(12, 5);
  const wanted = await model.plain().apply(1, x, routing, never);
  expect(await group.apply(1, x, routing, never)).toEqual(wanted);
  await refused.promise;
  expect(await group.apply(1, x, routing, never)).toEqual(wanted);
  expect(group.answered.every(({ shard }) => shard === 'local-0')).toBe(true);
});
