import { afterEach, describe, expect, it } from '@jest/globals';
import { tinyShape } from '#moe';
import { exact, layerInput, never, roomy, useTinyModel } from '../../../../test/support/expert-group.ts';
import { type ShardProcess, useShardProcesses } from '../../../../test/support/shard-processes.ts';
import type { ExpertGroup } from './expert-group.ts';
import { type RemoteLimits, RemoteShard, usualRemoteLimits } from './remote-shard.ts';

const model = useTinyModel();
const startShards = useShardProcesses();
const layers = Array.from({ length: tinyShape.layers }, (_, layer) => layer);
const { x, routing } = layerInput(12, 5);

/** A machine that has other things to do must not lose a shard that lives, where that is not what is tested. */
const patient: RemoteLimits = { ...usualRemoteLimits, openMs: 20_000, beatMs: 1_000, missedBeats: 20 };

const open: ExpertGroup[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((group) => group.close()));
});

interface Setting {
  readonly processes: readonly ShardProcess[];
  readonly shards: readonly RemoteShard[];
  readonly group: ExpertGroup;
}

async function groupOf(
  count: number,
  { minReplicas = 1, limits = patient, patienceMs = exact.patienceMs } = {},
): Promise<Setting> {
  const processes = await startShards(model.folder(), count);
  const shards = processes.map(({ address }) => new RemoteShard(address, limits));
  const group = await model.group(shards, { limits: { ...roomy, minReplicas }, patienceMs });
  open.push(group);
  return { processes, shards, group };
}

async function wholeStep(group: ExpertGroup): Promise<Float32Array[]> {
  const outputs: Float32Array[] = [];
  for (const layer of layers) outputs.push(await group.apply(layer, x, routing, never));
  return outputs;
}

async function wanted(): Promise<Float32Array[]> {
  return await Promise.all(layers.map((layer) => model.plain().apply(layer, x, routing, never)));
}

/** Waits for what no event tells. @throws when it does not come: a test that is over must not look for ever */
async function until(holds: () => boolean): Promise<void> {
  const limitMs = 20_000;
  for (const startedAt = performance.now(); !holds(); ) {
    if (performance.now() - startedAt > limitMs) throw new Error(`it has not come within ${limitMs} ms`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Kills a shard that has been asked and cannot have answered. */
async function killAsked({ processes, shards, group }: Setting, victim: number): Promise<Float32Array> {
  processes[victim]?.signal('SIGSTOP');
  const answer = group.apply(1, x, routing, never);
  await until(() => (shards[victim]?.inFlightBytes ?? 0) > 0);
  processes[victim]?.signal('SIGKILL');
  return await answer;
}

describe('a group of shard processes', () => {
  it('gives the very bits of one machine', async () => {
    const { group } = await groupOf(2);
    expect(await wholeStep(group)).toEqual(await wanted());
  });

  it('whose shard is killed in mid-layer goes on with the replicas, without a failed request', async () => {
    const setting = await groupOf(3, { minReplicas: 2 });
    const outputs = await wanted();
    expect(await killAsked(setting, 1)).toEqual(outputs[1]);
    // Nobody waited for a new placement.
    expect(setting.group.planEpoch).toBe(1);
    expect(await wholeStep(setting.group)).toEqual(outputs);
  });

  it('whose shard is killed in mid-layer pauses without replicas, places its experts anew, and goes on', async () => {
    const setting = await groupOf(3);
    const outputs = await wanted();
    expect(await killAsked(setting, 1)).toEqual(outputs[1]);
    expect(setting.group.planEpoch).toBe(2);
    expect(await wholeStep(setting.group)).toEqual(outputs);
  });

  it('loses shards one after another down to the last', async () => {
    const setting = await groupOf(4);
    const outputs = await wanted();
    for (const victim of [3, 0, 2]) expect(await killAsked(setting, victim)).toEqual(outputs[1]);
    expect(await wholeStep(setting.group)).toEqual(outputs);
  });

  it('takes a shard that is silent for lost, and back when it speaks again', async () => {
    const limits = { ...usualRemoteLimits, openMs: 20_000, beatMs: 100, missedBeats: 5 };
    const setting = await groupOf(2, { limits });
    const outputs = await wanted();
    setting.processes[1]?.signal('SIGSTOP');
    expect(await setting.group.apply(2, x, routing, never)).toEqual(outputs[2]);
    expect(setting.group.planEpoch).toBe(2);
    setting.processes[1]?.signal('SIGCONT');
    const before = tokensOf(setting, 1);
    while (tokensOf(setting, 1) === before) expect(await wholeStep(setting.group)).toEqual(outputs);
  });

  it('fills a shard that was started anew in the place of one that died', async () => {
    const setting = await groupOf(2);
    const outputs = await wanted();
    const [, second] = setting.processes;
    second?.signal('SIGKILL');
    await second?.gone;
    expect(await wholeStep(setting.group)).toEqual(outputs);
    await second?.again();
    const before = tokensOf(setting, 1);
    while (tokensOf(setting, 1) === before) expect(await wholeStep(setting.group)).toEqual(outputs);
  });

  it('that has lost all shards says when to come again, and works when one is back', async () => {
    const setting = await groupOf(1, { patienceMs: 300 });
    const [only] = setting.processes;
    only?.signal('SIGKILL');
    await only?.gone;
    const refused = setting.group.apply(0, x, routing, never);
    await expect(refused).rejects.toMatchObject({ code: 'unavailable', retryable: true, retryAfterMs: 300 });
    await expect(refused).rejects.toThrow(/experts of layer 0 gave no answer within 300 ms: .*Shard unix:.* is lost: /);
    await only?.again();
    const outputs = await wanted();
    for (let done = false; !done; ) {
      const output = await setting.group.apply(0, x, routing, never).catch(() => null);
      if (output === null) continue;
      expect(output).toEqual(outputs[0]);
      done = true;
    }
  });

  it('empties a shard that is told to end before it ends', async () => {
    const setting = await groupOf(2);
    const outputs = await wanted();
    const [first] = setting.processes;
    first?.signal('SIGTERM');
    let gone = false;
    const ended = first?.gone.then(() => {
      gone = true;
    });
    while (!gone) expect(await wholeStep(setting.group)).toEqual(outputs);
    await ended;
    expect(await wholeStep(setting.group)).toEqual(outputs);
  });
});

it('gives a load up as soon as its shard is silent', async () => {
  const [process] = await startShards(model.folder(), 1);
  const limits = { ...usualRemoteLimits, openMs: 20_000, beatMs: 100, missedBeats: 5, loadMs: 600_000 };
  const shard = new RemoteShard(process?.address ?? '', limits);
  await shard.open(never);
  process?.signal('SIGSTOP');
  const load = shard.load([{ layer: 0, experts: [0], sha256: [new Uint8Array(32)] }], never);
  await expect(load).rejects.toThrow(/is lost: it gave no sign of life for 500 ms/);
  await shard.close();
});

describe('between two steps', () => {
  it.each([1, 2])('a shard that is told to end is emptied, with %i copies of each expert', async (minReplicas) => {
    const setting = await groupOf(3, { minReplicas });
    const outputs = await wanted();
    setting.processes[1]?.signal('SIGTERM');
    await setting.processes[1]?.gone;
    expect(await wholeStep(setting.group)).toEqual(outputs);
  });

  it('what a killed shard held alone is placed anew', async () => {
    const setting = await groupOf(2);
    setting.processes[0]?.signal('SIGKILL');
    await until(() => setting.group.planEpoch === 2);
    expect(await wholeStep(setting.group)).toEqual(await wanted());
  });
});

describe('a shard that does not keep up', () => {
  it('is sent no more than fits the bytes in flight; the others wait and are answered in the end', async () => {
    // The first shard has the first half of the experts.
    const pairs = routing.ids.filter((expert) => expert < tinyShape.experts / 2).length;
    const call = (routing.tokens + pairs) * tinyShape.hidden * 4;
    const setting = await groupOf(2, { limits: { ...patient, inFlightBytes: 3 * call + 1 } });
    const outputs = await wanted();
    setting.processes[0]?.signal('SIGSTOP');
    const answers = Array.from({ length: 40 }, () => setting.group.apply(3, x, routing, never));
    await until(() => setting.shards[0]?.inFlightBytes === 3 * call);
    setting.processes[0]?.signal('SIGCONT');
    for (const answer of answers) {
      expect(await answer).toEqual(outputs[3]);
      expect(setting.shards[0]?.inFlightBytes).toBeLessThanOrEqual(3 * call);
    }
    expect(setting.shards[0]?.inFlightBytes).toBe(0);
  });

  it('is not waited for where replicas are: they are asked as well, and it is not given up', async () => {
    const setting = await groupOf(3, { minReplicas: 2 });
    const outputs = await wanted();
    for (let step = 0; step < 12; step++) await wholeStep(setting.group);
    setting.processes[1]?.signal('SIGSTOP');
    expect(await wholeStep(setting.group)).toEqual(outputs);
    expect(setting.group.planEpoch).toBe(1);
    expect(setting.shards[1]?.inFlightBytes).toBeGreaterThan(0);
    setting.processes[1]?.signal('SIGCONT');
    await until(() => setting.shards[1]?.inFlightBytes === 0);
    expect(await wholeStep(setting.group)).toEqual(outputs);
  });

  it('fails a step when its patience is over, and only that step', async () => {
    const setting = await groupOf(2, { patienceMs: 300 });
    const outputs = await wanted();
    setting.processes[0]?.signal('SIGSTOP');
    await expect(setting.group.apply(0, x, routing, never)).rejects.toMatchObject({ code: 'unavailable' });
    setting.processes[0]?.signal('SIGCONT');
    expect(await wholeStep(setting.group)).toEqual(outputs);
  });
});

function tokensOf({ group, shards }: Setting, shard: number): number {
  const own = group.answered.filter((answered) => answered.shard === shards[shard]?.name);
  return own.reduce((sum, { tokens }) => sum + tokens, 0);
}
