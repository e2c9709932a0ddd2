import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClientDuplexStream, credentials, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from '@jest/globals';
import { expert } from '#contracts/rpc';
import { tinyShape } from '#moe';
import {
  expertBytes,
  layerInput,
  never,
  residentExperts,
  useTinyModel,
} from '../../../../test/support/expert-group.ts';
import { relayTo } from '../../../../test/support/relay.ts';
import { RemoteShard, usualRemoteLimits } from '../group/remote-shard.ts';
import type { ShardLost } from '../group/shard.ts';
import { ShardServer } from './shard-server.ts';

const model = useTinyModel();
const { hidden } = tinyShape;
const silent = { log: () => undefined };
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function shardOn(listen: string, maxBytes?: number): Promise<ShardServer> {
  const shard = await ShardServer.start(residentExperts(model.checkpoint(), maxBytes), { listen }, silent);
  cleanups.push(() => shard.stop(0));
  return shard;
}

/** The client that is generated from the proto, as another implementation of a coordinator would be. */
async function clientOf(maxBytes?: number): Promise<expert.ExpertShardServiceClient> {
  const { port } = await shardOn('127.0.0.1:0', maxBytes);
  const client = new expert.ExpertShardServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
  cleanups.push(() => client.close());
  return client;
}

/** Sends requests and reads until the other side ends. @throws its status */
async function exchange<Asked, Told>(
  call: ClientDuplexStream<Asked, Told>,
  requests: readonly Asked[],
): Promise<Told[]> {
  for (const request of requests) call.write(request);
  call.end();
  const told: Told[] = [];
  for await (const one of call as AsyncIterable<Told>) told.push(one);
  return told;
}

async function loadAll(client: expert.ExpertShardServiceClient, planEpoch: number): Promise<void> {
  const load = { layer: 0, firstExpert: 0, endExpert: 4, sha256: await hashesOf(0, 4) };
  await exchange(client.load(), [
    { seq: 0, command: { $case: 'load', value: load } },
    { seq: 1, command: { $case: 'publish', value: { planEpoch } } },
  ]);
}

async function hashesOf(first: number, end: number): Promise<Buffer[]> {
  const experts = Array.from({ length: end - first }, (_, at) => first + at);
  return await Promise.all(experts.map(async (id) => Buffer.from(await model.checkpoint().expertSha256(0, id))));
}

/** One token for expert 1, two for expert 3. */
function request(changes: Partial<expert.ForwardRequest> = {}): expert.ForwardRequest {
  const x = layerInput(2, 9).x;
  return {
    seq: 7,
    planEpoch: 5,
    layer: 0,
    dtype: expert.Dtype.DTYPE_F32,
    tokens: 2,
    x: Buffer.from(x.buffer),
    expertIds: [1, 3],
    offsets: [0, 1, 3],
    tokenIndices: [1, 0, 1],
    traceparent: '',
    weights: [0.5, 1, 0.25],
    combineMode: expert.CombineMode.COMBINE_MODE_DETERMINISTIC,
    ...changes,
  };
}

const numbersOf = (bytes: Buffer | undefined): Float32Array => new Float32Array(new Uint8Array(bytes ?? []).buffer);

describe('Forward', () => {
  it('answers the generated client, by pair and by row', async () => {
    const client = await clientOf();
    await loadAll(client, 5);
    const reduced = request({ seq: 8, combineMode: expert.CombineMode.COMBINE_MODE_REDUCED });
    const answers = await exchange(client.forward(), [request(), reduced]);
    const [pairs, rows] = answers.toSorted((a, b) => a.seq - b.seq);
    expect(pairs).toMatchObject({ seq: 7, planEpoch: 5, layer: 0, dtype: expert.Dtype.DTYPE_F32, tokenIndices: [] });
    expect(rows).toMatchObject({ seq: 8, tokenIndices: [0, 1] });
    const y = numbersOf(pairs?.y);
    expect(y).toHaveLength(3 * hidden);
    const sum = y.slice(0, hidden).map((value, at) => value + (y[2 * hidden + at] ?? 0));
    expect(numbersOf(rows?.y)).toEqual(Float32Array.from([...y.slice(hidden, 2 * hidden), ...sum]));
  });

  it.each([
    ['a placement that was never published', { planEpoch: 4 }, status.FAILED_PRECONDITION, /Placement 4 is not known/],
    ['an expert that is not resident', { expertIds: [1, 9] }, status.FAILED_PRECONDITION, /Experts 9 of layer 0/],
    ['rows that are not there', { tokens: 3 }, status.INVALID_ARGUMENT, /x: has 128 numbers; 3 rows/],
    ['half a number', { x: Buffer.alloc(hidden * 8 + 1) }, status.INVALID_ARGUMENT, /no whole number/],
    ['experts out of order', { expertIds: [3, 1] }, status.INVALID_ARGUMENT, /expert_ids: are not ascending/],
    ['an offset too few', { offsets: [0, 3] }, status.INVALID_ARGUMENT, /offsets: are 2 for 2 experts/],
    ['an expert without tokens', { offsets: [0, 3, 3] }, status.INVALID_ARGUMENT, /offsets: do not rise/],
    ['a token too few', { tokenIndices: [1, 0] }, status.INVALID_ARGUMENT, /token_indices: are 2/],
    ['a row beyond x', { tokenIndices: [1, 0, 2] }, status.INVALID_ARGUMENT, /go beyond the 2 rows/],
    ['a weight too few', { weights: [1, 1] }, status.INVALID_ARGUMENT, /weights: are 2 for 3 pairs/],
    ['no number format', { dtype: expert.Dtype.DTYPE_UNSPECIFIED }, status.INVALID_ARGUMENT, /dtype: 0/],
  ])('refuses %s', async (_, changes, code, details) => {
    const client = await clientOf();
    await loadAll(client, 5);
    const refused = exchange(client.forward(), [request(changes)]);
    await expect(refused).rejects.toMatchObject({ code, details: expect.stringMatching(details) });
  });

  it('accepts the placement before the newest, and none older', async () => {
    const client = await clientOf();
    await loadAll(client, 5);
    const publish = (planEpoch: number) => ({ $case: 'publish' as const, value: { planEpoch } });
    await exchange(client.load(), [{ seq: 0, command: publish(6) }]);
    expect(await exchange(client.forward(), [request(), request({ planEpoch: 6 })])).toHaveLength(2);
    await exchange(client.load(), [{ seq: 0, command: publish(7) }]);
    await expect(exchange(client.forward(), [request()])).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
  });

  it('gives the bits of one machine over TCP and over a socket of the file system', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'argosy-shard-'));
    cleanups.push(() => rm(folder, { recursive: true, force: true }));
    const { port } = await shardOn('127.0.0.1:0');
    await shardOn(`unix:${folder}/shard`);
    const shards = [`127.0.0.1:${port}`, `unix:${folder}/shard`].map((address) => new RemoteShard(address));
    const group = await model.group(shards);
    cleanups.push(() => group.close());
    const { x, routing } = layerInput(70, 4);
    expect(await group.apply(2, x, routing, never)).toEqual(await model.plain().apply(2, x, routing, never));
  });
});

describe('Load', () => {
  it('says which experts are ready, and which have other weights than the coordinator', async () => {
    const client = await clientOf();
    const sha256 = await hashesOf(0, 3);
    sha256[1] = Buffer.alloc(32);
    const value = { layer: 0, firstExpert: 0, endExpert: 3, sha256 };
    const told = await exchange(client.load(), [{ seq: 3, command: { $case: 'load', value } }]);
    const residentBytes = 2 * expertBytes;
    expect(told.at(-1)).toEqual({ seq: 3, readyExperts: 2, residentBytes, mismatchedExperts: [1], done: true });
    await exchange(client.load(), [{ seq: 0, command: { $case: 'publish', value: { planEpoch: 5 } } }]);
    await expect(exchange(client.forward(), [request()])).rejects.toMatchObject({
      details: expect.stringMatching(/1, 3/),
    });
  });

  it('frees what is unloaded, and answers at once what is resident already', async () => {
    const client = await clientOf();
    await loadAll(client, 1);
    await loadAll(client, 2);
    const value = { layer: 0, firstExpert: 1, endExpert: 4 };
    const [told] = await exchange(client.load(), [{ seq: 0, command: { $case: 'unload', value } }]);
    expect(told).toMatchObject({ done: true, residentBytes: expertBytes });
  });

  it.each([
    ['an expert beyond the last', { layer: 0, firstExpert: 15, endExpert: 17 }, status.INVALID_ARGUMENT, /15 to 17/],
    ['no expert', { layer: 0, firstExpert: 2, endExpert: 2 }, status.INVALID_ARGUMENT, /2 to 2 is no range/],
    ['a layer that is not there', { layer: 9, firstExpert: 0, endExpert: 1 }, status.NOT_FOUND, /expert 0 in layer 9/],
    ['a hash too few', { layer: 0, firstExpert: 0, endExpert: 2 }, status.INVALID_ARGUMENT, /are 1 for 2 experts/],
  ])('refuses %s', async (_, range, code, details) => {
    const client = await clientOf();
    const count = range.endExpert - range.firstExpert;
    const sha256 = Array<Buffer>(code === status.INVALID_ARGUMENT ? 1 : count).fill(Buffer.alloc(32));
    const refused = exchange(client.load(), [{ seq: 0, command: { $case: 'load', value: { ...range, sha256 } } }]);
    await expect(refused).rejects.toMatchObject({ code, details: expect.stringMatching(details) });
  });

  it('refuses more than there is memory for', async () => {
    const client = await clientOf(3 * expertBytes);
    await expect(loadAll(client, 1)).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: expect.stringMatching(/no memory for expert 3 of layer 0/),
    });
  });

  it('stops in the middle of a command that its coordinator has broken off', async () => {
    const [asked, gate] = [[] as number[], Promise.withResolvers<void>()];
    const slow = {
      expert: async (layer: number, id: number) => {
        asked.push(id);
        if (id === 1) await gate.promise;
        return await model.checkpoint().expert(layer, id);
      },
    };
    const store = Object.assign(Object.create(model.checkpoint()), slow, {
      config: model.checkpoint().config,
      expertSha256: (layer: number, id: number) => model.checkpoint().expertSha256(layer, id),
    });
    const shard = await ShardServer.start(residentExperts(store), { listen: '127.0.0.1:0' }, silent);
    cleanups.push(() => shard.stop(0));
    const client = new expert.ExpertShardServiceClient(`127.0.0.1:${shard.port}`, credentials.createInsecure());
    cleanups.push(() => client.close());
    const load = { layer: 0, firstExpert: 0, endExpert: 4, sha256: await hashesOf(0, 4) };
    const broken = client.load();
    broken.on('error', () => undefined);
    broken.write({ seq: 0, command: { $case: 'load', value: load } });
    await once(broken, 'data');
    broken.cancel();
    // Answered behind the end of the other on the same connection.
    await exchange(client.load(), [{ seq: 0, command: { $case: 'publish', value: { planEpoch: 1 } } }]);
    gate.resolve();
    const value = { layer: 0, firstExpert: 0, endExpert: 4 };
    const [freed] = await exchange(client.load(), [{ seq: 0, command: { $case: 'unload', value } }]);
    expect(freed).toMatchObject({ done: true, residentBytes: 0 });
    expect(asked).toEqual([0, 1]);
  });

  it('refuses a coordinator with another checkpoint', async () => {
    const { port } = await shardOn('127.0.0.1:0');
    const other = { config: model.checkpoint().config, expertSha256: async () => new Uint8Array(32) };
    const checkpoint = Object.assign(Object.create(model.checkpoint()), other);
    await expect(model.group([new RemoteShard(`127.0.0.1:${port}`)], {}, undefined, checkpoint)).rejects.toThrow(
      /has other weights for experts 0 of layer \d: give it the same checkpoint/,
    );
  });
});

describe('Stats', () => {
  it('tells at once what is there, and then what has been done since', async () => {
    const client = await clientOf();
    await loadAll(client, 5);
    const stats = client.stats({ intervalMs: 50 });
    cleanups.push(() => stats.cancel());
    stats.on('error', () => undefined);
    const told: AsyncIterator<expert.StatsResponse> = stats[Symbol.asyncIterator]();
    expect((await told.next()).value).toMatchObject({
      planEpoch: 5,
      residentExperts: 4,
      residentBytes: 4 * expertBytes,
      inFlightBytes: 0,
      expertLoads: [],
      draining: false,
    });
    await exchange(client.forward(), [request()]);
    let loads: expert.ExpertLoad[] = [];
    while (loads.length === 0) loads = (await told.next()).value.expertLoads;
    expect(loads).toEqual([
      { layer: 0, expertId: 1, tokens: 1 },
      { layer: 0, expertId: 3, tokens: 2 },
    ]);
    expect((await told.next()).value.expertLoads).toEqual([]);
  });
});

it('does not tell all the time whoever asks for an interval that no timer knows', async () => {
  const client = await clientOf();
  const [rare, usual] = [client.stats({ intervalMs: 2 ** 32 - 1 }), client.stats({ intervalMs: 50 })];
  let told = 0;
  rare.on('data', () => {
    told += 1;
  });
  for (const call of [rare, usual]) call.on('error', () => undefined);
  for (let beat = 0; beat < 4; beat++) await once(usual, 'data');
  expect(told).toBe(1);
  for (const call of [rare, usual]) call.cancel();
});

describe('a connection', () => {
  it('that is cut without a word is noticed by keepalive, even where no sign of life is missed', async () => {
    const { port } = await shardOn('127.0.0.1:0');
    const relay = await relayTo(port);
    cleanups.push(() => relay.close());
    const keepalive = { everyMs: 100, limitMs: 200 };
    const shard = new RemoteShard(relay.address, { ...usualRemoteLimits, missedBeats: 1_000_000, keepalive });
    const lost = new Promise<ShardLost>((resolve) => shard.onLost(resolve));
    await shard.open(never);
    relay.silence();
    expect((await lost).message).toMatch(/^Shard 127\.0\.0\.1:\d+ is lost: 14 UNAVAILABLE: /);
  });

  it('serves on when a message above the limit of 80 MiB was refused', async () => {
    const client = await clientOf();
    const answer = exchange(client.forward(), [request({ x: Buffer.alloc(80 * 2 ** 20) })]);
    await expect(answer).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: expect.stringMatching(/larger than max/),
    });
    await loadAll(client, 5);
    expect(await exchange(client.forward(), [request()])).toHaveLength(1);
  }, 30_000);
});

describe('an address that cannot be used', () => {
  it('is refused with the setting to change', async () => {
    const { port } = await shardOn('127.0.0.1:0');
    await expect(shardOn(`127.0.0.1:${port}`)).rejects.toThrow(/ARGOSY_INFERENCE_LISTEN: cannot listen on 127/);
  });
});
