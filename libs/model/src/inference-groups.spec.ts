/** Looking at inference groups, over real gRPC. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { closeGroups, groupThat } from '../../../test/support/playing-group.ts';
import { configuredGroups, InferenceGroups } from './inference-groups.ts';

const opened: InferenceGroups[] = [];
afterEach(async () => {
  for (const groups of opened.splice(0)) await groups.close();
  closeGroups();
});

function groupsAt(addresses: readonly string[], limitMs?: number): InferenceGroups {
  const groups = new InferenceGroups(addresses, null, limitMs);
  opened.push(groups);
  return groups;
}

const silent = async () => await groupThat(() => undefined);

describe('a look at inference groups', () => {
  it('has what each says now, in the order of the configuration, and names the one that is gone', async () => {
    const [first, gone, last] = [await silent(), await silent(), await silent()];
    first.load = () => ({ running: 2, kvUsedTokens: 40, promptTokens: 100, cachedTokens: 75 });
    last.load = () => ({ draining: true });
    gone.kill();
    const groups = groupsAt([first, gone, last].map(({ address }) => address));
    const looks = await groups.look();
    expect(looks.map(({ address }) => address)).toEqual([first, gone, last].map(({ address }) => address));
    expect(looks[0]).toMatchObject({ fault: null, info: { model: 'm' }, load: { running: 2, cachedTokens: 75 } });
    expect(looks[1]?.fault).toContain(`No inference group answers at ${gone.address}`);
    expect(looks[2]).toMatchObject({ fault: null, load: { draining: true, running: undefined } });
    first.load = () => ({ running: 3 });
    expect((await groups.look())[0]).toMatchObject({ load: { running: 3 } });
  });

  it('names a group that says nothing in time, and does not wait for it any longer', async () => {
    const mute = await silent();
    mute.load = () => null;
    const [look] = await groupsAt([mute.address], 50).look();
    expect(look?.fault).toBe(`The inference group at ${mute.address} did not answer within 50 ms.`);
  });

  it('is shared by those who look at the same time', async () => {
    const group = await silent();
    let looked = 0;
    group.load = () => ({ running: ++looked });
    const groups = groupsAt([group.address]);
    await Promise.all([groups.look(), groups.look(), groups.look()]);
    expect(looked).toBe(1);
  });
});

describe('the experts of a group', () => {
  const shard = (name: string, ...held: number[]) => {
    return { name, open: true, answeredTokens: 9, held: Buffer.from(held) };
  };
  /** Two layers of five experts. */
  const told = { planEpoch: 3, layers: [1, 2], experts: 5, load: [1, 0, 0, 0, 0.5, 0, 0, 2, 0, 0] };

  it('are read from bits, layer by layer', async () => {
    const group = await silent();
    // Of the first all of layer 1 and expert 4 of layer 2; of the second all of layer 2.
    group.experts = () => ({ ...told, shards: [shard('a', 0b0001_1111, 0b10), shard('b', 0b1110_0000, 0b11)] });
    const { planEpoch, layers, shards } = await groupsAt([group.address]).experts(group.address);
    expect({ planEpoch, shards }).toMatchObject({ planEpoch: 3, shards: [{ name: 'a' }, { answeredTokens: 9 }] });
    expect(layers).toEqual([
      { layer: 1, load: [1, 0, 0, 0, 0.5], holders: [[0], [0], [0], [0], [0]] },
      { layer: 2, load: [0, 0, 2, 0, 0], holders: [[1], [1], [1], [1], [0, 1]] },
    ]);
  });

  it('are none where no shards share them', async () => {
    const group = await silent();
    expect(await groupsAt([group.address]).experts(group.address)).toEqual({ planEpoch: 0, layers: [], shards: [] });
  });

  it('are refused where what is told of them does not fit, and where there is no such group', async () => {
    const group = await silent();
    const groups = groupsAt([group.address]);
    const misfits = { ...told, shards: [shard('a', 1)] };
    for (const wrong of [misfits, { ...told, load: [1] }, { ...told, layers: Array(300).fill(1), experts: 300 }]) {
      group.experts = () => wrong;
      await expect(groups.experts(group.address)).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining(`${group.address} answers what cannot be read: it tells of`),
      });
    }
    await expect(groups.experts('10.0.0.1:443')).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('the groups of a configuration', () => {
  const none = { ARGOSY_MODEL_CONTEXT_TOKENS: 1_000 } as Parameters<typeof configuredGroups>[0]; // without files
  it('are those of its model and of the chosen one, each once; none where these are no groups', async () => {
    const chosen = { kind: 'grpc', addresses: ['127.0.0.1:2', '127.0.0.1:1'], name: null } as const;
    const groups = await configuredGroups({ ...none, ARGOSY_MODEL: 'grpc:127.0.0.1:1' }, chosen);
    opened.push(groups);
    expect((await groups.look()).map(({ address }) => address)).toEqual(['127.0.0.1:1', '127.0.0.1:2']);
    const other = await configuredGroups({ ...none, ARGOSY_MODEL: 'extractive' });
    opened.push(other);
    expect(await other.look()).toEqual([]);
  });
});
