import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { parsePools } from './settings.ts';

const agents = { name: 'agents', deployment: 'argosy-agent-worker', role: 'agent-worker', max: 20, slots: 50 };
const tools = { ...agents, name: 'visits', deployment: 'argosy-tool-visit', role: 'tool-worker', kinds: ['visit'] };
const parsed = (...pools: object[]) => parsePools(JSON.stringify({ pools }));

describe('the file of pools', () => {
  it('needs little, and gives times in ms', () => {
    const { pools, budgets } = parsed({ ...agents, windowSeconds: 60 });
    expect(pools).toMatchObject([{ role: 'agent-worker', policy: { min: 1, max: 20, windowMs: 60_000, fill: 0.9 } }]);
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
    expect(parsed(agents, tools, searches).pools.map(({ kinds }) => kinds)).toEqual([
      undefined,
      ['visit'],
      ['search', 'scholar'],
    ]);
  });

  it('is refused when it is no JSON', () => {
    expect(() => parsePools('pools: []')).toThrow(/^ARGOSY_POOLS_FILE: is not JSON/);
  });
});
