import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { parsePools } from './settings.ts';

const agents = { name: 'agents', deployment: 'argosy-agent-worker', role: 'agent-worker', max: 20, slots: 50 };
const tools = { ...agents, name: 'visits', deployment: 'argosy-tool-visit', role: 'tool-worker', kinds: ['visit'] };
const parsed = (...pools: object[]) => parsePools(JSON.stringify({ pools }));

describe('the file of pools', () => {
  it('needs little, and gives times in ms', () => {
    const { pools, budgets } = parsed({ ...agents, windowSeconds: 60 });
    expect(pools).toMatchObject([
      {
        role: 'agent-worker',
        policy: { min: 1, max: 20, windowMs: 60_000, fill: 1, foresight: 1, drainLimitMs: 60_000 },
      },
    ]);
    expect(budgets).toEqual({ gpus: 0, gpusByTenant: {}, moneyPerDay: 0 });
  });

  it.each<[string, object[], RegExp]>([
    ['no pool', [], /pools/],
    ['a setting that nothing reads', [{ ...agents, maximum: 3 }], /maximum/],
    ['bounds the wrong way round', [{ ...agents, min: 30 }], /min is above max/],
    ['a name that no object can have', [{ ...agents, deployment: 'Agents!' }], /is not a name like agents-1/],
    ['two pools of one Deployment', [agents, { ...agents, name: 'b', role: 'tool-worker' }], /scale one Deployment/],
    ['two pools of one role', [agents, { ...agents, name: 'b', deployment: 'b' }], /share the work of one role/],
    [
      'two pools of one kind',
      [tools, { ...tools, name: 'b', deployment: 'b', kinds: ['search', 'visit'] }],
      /of one kind/,
    ],
    ['kinds beside all kinds', [tools, { ...tools, name: 'b', deployment: 'b', kinds: undefined }], /of one kind/],
    ['kinds of agents', [{ ...agents, kinds: ['visit'] }], /only pools of tool workers/],
    ['a kind that is none', [{ ...tools, kinds: ['python'] }], /kinds/],
    ['a share above all', [{ ...agents, fill: 1.5 }], /fill/],
  ])('is refused for %s', (_, pools, words) => {
    expect(() => parsed(...pools)).toThrow(InvalidInput);
    expect(() => parsed(...pools)).toThrow(words);
  });

  it('names pools of tool workers by the calls that they take', () => {
    const searches = { ...tools, name: 'searches', deployment: 'argosy-tool-search', kinds: ['search', 'scholar'] };
    expect(parsed(agents, tools, searches).pools.map((pool) => 'kinds' in pool && pool.kinds)).toEqual([
      false,
      ['visit'],
      ['search', 'scholar'],
    ]);
  });

  const groups = [0, 1, 2].map((index) => ({ name: `group-${index}`, address: `group-${index}:50051` }));
  const inference = { name: 'inference', role: 'inference', size: 3, slots: 16, groups };

  it('takes a pool of groups, each of which goes for itself and none with a reply in it', () => {
    const [, pool] = parsed(agents, inference).pools;
    const policy = { min: 1, max: 3, victims: 'named', drainLimitMs: Number.POSITIVE_INFINITY, coldStartMs: 300_000 };
    expect(pool).toMatchObject({ kind: 'StatefulSet', size: 3, drainLimitMs: 600_000, mostRuns: 1_000, policy });
    expect(parsed(inference).pools).toMatchObject([{ mostRuns: Number.POSITIVE_INFINITY }]);
  });

  it.each<[string, object, RegExp]>([
    ['more than there are', { max: 4 }, /max is above the number of groups/],
    ['more at least than there are', { min: 4 }, /min is above max/],
    ['an address that is none', { groups: [{ name: 'a', address: 'nowhere' }] }, /is not host:port/],
    ['one twice', { groups: [groups[0], groups[0]] }, /two groups have one address/],
    ['none', { groups: [] }, /groups/],
  ])('is refused for groups of which it names %s', (_, given, words) => {
    expect(() => parsed({ ...inference, ...given })).toThrow(words);
  });

  it('is refused when it is no JSON', () => {
    expect(() => parsePools('pools: []')).toThrow(/^ARGOSY_POOLS_FILE: is not JSON/);
  });
});
