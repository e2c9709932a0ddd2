import { describe, expect, it } from '@jest/globals';
import { Unavailable } from '#errors';
import { balance, localExperts, type Placement, placementOf, plainBackend, tinyShape } from '#moe';
import {
  expertBytes,
  layerInput,
  never,
  placements,
  relativeError,
  roomy,
  useTinyModel,
} from '../../../../test/support/expert-group.ts';
import { ResidentExperts } from '../shard/resident-experts.ts';
import { LocalShard } from './local-shard.ts';
import { type ShardCall, ShardLost } from './shard.ts';

/** `1 - 2 x.y / (x.x + y.y)`: 0 for equal vectors. As DeepEP's tests have it. */
function dissimilarity(x: Float32Array, y: Float32Array): number {
  let product = 0;
  let squares = 0;
  for (const [at, value] of x.entries()) {
    const other = y[at] ?? 0;
    product += value * other;
    squares += value ** 2 + other ** 2;
  }
  return 1 - (2 * product) / squares;
}

const model = useTinyModel();
const layers = Array.from({ length: tinyShape.layers }, (_, layer) => layer);
const input = layerInput(24, 1);

const grid = [1, 2, 4, 8].flatMap((shards) => Object.keys(placements).map((name) => [shards, name] as const));
const placed = (name: string, shards: number): Placement => placements[name]?.(shards) ?? { holders: [] };

describe('a group', () => {
  it.each(grid)('of %i shards, %s, gives the very bits of one machine when deterministic', async (shards, name) => {
    const group = await model.group(model.localShards(shards), {}, placed(name, shards));
    for (const layer of layers) {
      const wanted = await model.plain().apply(layer, input.x, input.routing, never);
      expect(await group.apply(layer, input.x, input.routing, never)).toEqual(wanted);
    }
  });

  it.each(grid)('of %i shards, %s, is within 1e-6 of it when reduced', async (shards, name) => {
    const group = await model.group(model.localShards(shards), { mode: 'reduced' }, placed(name, shards));
    const wanted = await model.plain().apply(0, input.x, input.routing, never);
    expect(relativeError(await group.apply(0, input.x, input.routing, never), wanted)).toBeLessThan(1e-6);
  });

  it.each(['deterministic', 'reduced'] as const)('is within 5e-3 over bf16, %s', async (mode) => {
    const group = await model.group(model.localShards(4), { mode, format: 'bf16' }, placed('planned', 4));
    const wanted = await model.plain().apply(1, input.x, input.routing, never);
    const got = await group.apply(1, input.x, input.routing, never);
    const error = relativeError(got, wanted);
    expect(error).toBeLessThan(5e-3);
    expect(dissimilarity(got, wanted)).toBeLessThan(1e-5);
    // That it was rounded at all.
    expect(error).toBeGreaterThan(1e-4);
  });

  it('gives the same bits over bf16 for any number of shards, one and none included', async () => {
    const groups = await Promise.all(
      [1, 2, 8].map((shards) => model.group(model.localShards(shards), { format: 'bf16' }, placed('planned', shards))),
    );
    const [one, ...more] = await Promise.all(groups.map((group) => group.apply(2, input.x, input.routing, never)));
    for (const other of more) expect(other).toEqual(one);
    const none = await localExperts(model.checkpoint(), plainBackend(), { format: 'bf16' });
    expect(await none.apply(2, input.x, input.routing, never)).toEqual(one);
  });

  it('asks only shards whose experts have tokens, and gives nothing for no tokens', async () => {
    const group = await model.group(model.localShards(4), {}, placed('linear', 4));
    const { x, routing } = layerInput(5, 2, tinyShape.topK);
    expect(await group.apply(0, x, routing, never)).toEqual(await model.plain().apply(0, x, routing, never));
    expect(new Set(group.answered.map(({ shard }) => shard))).toEqual(new Set(['local-0']));
    const none = { tokens: 0, topK: tinyShape.topK, ids: new Uint16Array(), weights: new Float32Array() };
    expect(await group.apply(1, new Float32Array(), none, never)).toEqual(new Float32Array());
  });

  it('answers each pair of token and expert once: as many as there are tokens times experts per token', async () => {
    const group = await model.group(model.localShards(4), {}, placed('random with replicas', 4));
    for (const layer of layers) await group.apply(layer, input.x, input.routing, never);
    const answered = group.answered.reduce((sum, { tokens }) => sum + tokens, 0);
    expect(answered).toBe(input.routing.tokens * tinyShape.topK * tinyShape.layers);
  });

  it('cuts many tokens into blocks without a change of a bit, and a token is the same alone', async () => {
    const group = await model.group(model.localShards(3), { blockBytes: 5 * tinyShape.hidden * 4 });
    const wanted = await model.plain().apply(3, input.x, input.routing, never);
    expect(await group.apply(3, input.x, input.routing, never)).toEqual(wanted);
    const { hidden, topK } = tinyShape;
    const alone = {
      tokens: 1,
      topK,
      ids: input.routing.ids.slice(7 * topK, 8 * topK),
      weights: input.routing.weights.slice(7 * topK, 8 * topK),
    };
    const row = await group.apply(3, input.x.slice(7 * hidden, 8 * hidden), alone, never);
    expect(row).toEqual(wanted.slice(7 * hidden, 8 * hidden));
  });
});

describe('a shard that computes wrongly', () => {
  /** What is wrong with a call or its answer. */
  const faults: Readonly<Record<string, (call: ShardCall, y: Float32Array) => Float32Array>> = {
    'leaves the mixing weights out': ({ slice, x }, y) => {
      const hidden = x.length / slice.rows.length;
      return y.map((value, at) => value / (slice.weights[Math.floor(at / hidden)] ?? 0));
    },
    'multiplies by them twice': ({ slice, x }, y) => {
      const hidden = x.length / slice.rows.length;
      return y.map((value, at) => value * (slice.weights[Math.floor(at / hidden)] ?? 0));
    },
    'answers the pairs in another order': ({ x, slice }, y) => {
      const hidden = x.length / slice.rows.length;
      return Float32Array.from([...y.subarray(hidden), ...y.subarray(0, hidden)]);
    },
    'is off by a ten-thousandth in one number': (_, y) => y.map((value, at) => (at === 5 ? value * 1.0001 : value)),
  };

  it.each(Object.entries(faults))('is found by the comparison when it %s', async (_, fault) => {
    const shards = model.localShards(2);
    const [first] = shards;
    const group = await model.group(shards, {}, placed('linear', 2));
    const right = first?.forward.bind(first);
    if (first !== undefined && right !== undefined) {
      first.forward = async (call, signal) => fault(call, await right(call, signal));
    }
    const wanted = await model.plain().apply(0, input.x, input.routing, never);
    expect(await group.apply(0, input.x, input.routing, never)).not.toEqual(wanted);
  });
});

describe('a new placement', () => {
  const linear = placed('linear', 2);

  it('follows the load, is used from the next step on, and changes no bit of the output', async () => {
    const group = await model.group(model.localShards(2), {}, linear);
    // All tokens go to the four experts that the linear placement has together on one shard.
    const { x, routing } = layerInput(16, 3, tinyShape.topK);
    const wanted = await Promise.all(layers.map((layer) => model.plain().apply(layer, x, routing, never)));
    for (const layer of layers) await group.apply(layer, x, routing, never);
    await group.apply(0, x, routing, never);
    expect(new Set(group.answered.map(({ shard }) => shard))).toEqual(new Set(['local-0']));
    await group.replan();
    expect(group.planEpoch).toBe(1);
    expect(await group.apply(1, x, routing, never)).toEqual(wanted[1]);
    expect(group.planEpoch).toBe(1);
    for (const layer of layers) expect(await group.apply(layer, x, routing, never)).toEqual(wanted[layer]);
    expect(group.planEpoch).toBe(2);
    expect(new Set(group.answered.map(({ shard }) => shard))).toEqual(new Set(['local-0', 'local-1']));
  });

  it('is not made for a gain that is not worth its moves', async () => {
    const group = await model.group(model.localShards(2), {}, linear);
    const even = {
      tokens: 4,
      topK: 4,
      ids: Uint16Array.from({ length: 16 }, (_, id) => id),
      weights: new Float32Array(16),
    };
    for (let step = 0; step < 3; step++) {
      for (const layer of layers) await group.apply(layer, new Float32Array(4 * tinyShape.hidden), even, never);
    }
    expect(balance(linear, new Float64Array(64).fill(1), 2)).toBe(1);
    await group.replan();
    for (const layer of layers) await group.apply(layer, input.x, input.routing, never);
    expect(group.planEpoch).toBe(1);
  });

  it('frees what it does not need: shards without room for both change places nevertheless', async () => {
    // Room for ten experts in each layer; the experts' halves change sides, one step after the other.
    const limits = { ...roomy, shardBytes: 10 * tinyShape.layers * expertBytes };
    const group = await model.group(model.localShards(2), { limits }, linear);
    for (let round = 0; round < 4; round++) {
      const { x, routing } = layerInput(16, 10 + round, tinyShape.topK + 2 * round);
      const wanted = await model.plain().apply(0, x, routing, never);
      for (const layer of layers) await group.apply(layer, x, routing, never);
      expect(await group.apply(0, x, routing, never)).toEqual(wanted);
      await group.replan();
      expect(await group.apply(0, x, routing, never)).toEqual(wanted);
    }
    expect(group.planEpoch).toBeGreaterThan(1);
  });
});

describe('a start', () => {
  it('reads the weights to be compared of one expert at a time for each shard', async () => {
    const store = model.checkpoint();
    let [reading, most] = [0, 0];
    const expertSha256 = async (layer: number, expert: number) => {
      reading += 1;
      most = Math.max(most, reading);
      const hash = await store.expertSha256(layer, expert);
      reading -= 1;
      return hash;
    };
    const expert = (layer: number, id: number) => store.expert(layer, id);
    await model.group(model.localShards(2), {}, undefined, { config: store.config, expert, expertSha256 });
    expect(most).toBe(2);
  });

  it('is refused when the shards have no room, saying how much there is', async () => {
    const limits = { ...roomy, minReplicas: 2 };
    await expect(model.group(model.localShards(1), { limits })).rejects.toThrow(/2 copies of each expert/);
  });
});

it('breaks a change of placement off when experts are missing, which cannot wait for it', async () => {
  const shards = model.localShards(3);
  const [, busy, dying] = shards;
  if (busy === undefined || dying === undefined) throw new Error('no shards');
  const group = await model.group(shards, {}, placed('linear', 3));
  // All to experts of the first shard, so that the others are to get some.
  const { x, routing } = layerInput(16, 3, tinyShape.topK);
  for (const layer of [...layers, 0]) await group.apply(layer, x, routing, never);
  const [load, forward] = [busy.load.bind(busy), dying.forward.bind(dying)];
  const loading = Promise.withResolvers<void>();
  busy.load = async (_, signal) => {
    loading.resolve();
    await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  };
  const change = group.replan();
  await loading.promise;
  busy.load = load;
  dying.forward = async () => {
    dying.forward = forward;
    throw new ShardLost(dying.name, 'so the test wants it');
  };
  const wanted = await model.plain().apply(2, input.x, input.routing, never);
  const answer = group.apply(2, input.x, input.routing, never);
  await expect(change).rejects.toThrow();
  expect(await answer).toEqual(wanted);
});

it('frees what a change of placement has loaded that fails for want of room', async () => {
  // Two more than each shard holds: too few for half of them to change sides.
  const limits = { ...roomy, shardBytes: (8 * tinyShape.layers + 2) * expertBytes };
  const resident: ResidentExperts[] = [];
  const shards = [0, 1].map((shard) => {
    const start = () => (resident[shard] = new ResidentExperts(model.checkpoint(), plainBackend(), limits.shardBytes));
    return new LocalShard(`local-${shard}`, start);
  });
  const group = await model.group(shards, { limits }, placed('linear', 2));
  const { x, routing } = layerInput(16, 3, tinyShape.topK);
  for (const layer of [...layers, 0]) await group.apply(layer, x, routing, never);
  await expect(group.replan()).rejects.toThrow(/no memory for expert/);
  const half = 8 * tinyShape.layers * expertBytes;
  expect(resident.map(({ bytes }) => bytes)).toEqual([half, half]);
});

it("gets over the death of a shard's threads: it is opened with new ones", async () => {
  const shards = model.localShards(1);
  const broken = { ...plainBackend(), runExpert: () => Promise.reject(new Unavailable('A compute thread has died.')) };
  let opened = 0;
  const store = model.checkpoint();
  shards[0] = new LocalShard(
    'fragile',
    () => new ResidentExperts(store, opened++ === 0 ? broken : plainBackend(), 1e9),
  );
  const group = await model.group(shards);
  const wanted = await model.plain().apply(0, input.x, input.routing, never);
  expect(await group.apply(0, input.x, input.routing, never)).toEqual(wanted);
  expect(opened).toBe(2);
});

it('asks a shard that was late after the others, layer by layer, and not the same wait again and again', async () => {
  let [stuck, asked] = [false, 0];
  const plain = plainBackend();
  const sticking: typeof plain.runExpert = async (...call) => {
    if (!stuck) return await plain.runExpert(...call);
    asked += 1;
    return await new Promise(() => undefined);
  };
  const start = () => new ResidentExperts(model.checkpoint(), { ...plain, runExpert: sticking }, 2 ** 30);
  const shards = [new LocalShard('sticking', start), ...model.localShards(1)];
  const group = await model.group(
    shards,
    {},
    placementOf(tinyShape, () => [0, 1]),
  );
  const step = async (layer: number) => await group.apply(layer, input.x, input.routing, never);
  // It has to be known how long an answer takes.
  for (let round = 0; round < 16; round++) for (const layer of layers) await step(layer);
  stuck = true;
  await step(0);
  expect(asked).toBeGreaterThan(0);
  const first = asked;
  for (let round = 0; round < 5; round++) {
    for (const layer of layers) {
      const wanted = await model.plain().apply(layer, input.x, input.routing, never);
      expect(await step(layer)).toEqual(wanted);
    }
  }
  // Once more at most while this test lasts, where each of 20 layers would have.
  expect(asked).toBeLessThan(first * 10);
});

describe('stopping', () => {
  it('ends a layer with Aborted', async () => {
    const group = await model.group(model.localShards(2));
    const stop = AbortSignal.abort('enough');
    await expect(group.apply(0, input.x, input.routing, stop)).rejects.toThrow(/stopped/);
  });
});
