import { describe, expect, it } from '@jest/globals';
import { EgressBlocked } from '#egress';
import { Aborted } from '#errors';
import { ProviderFault, type SearchProvider } from './providers/provider.ts';
import { askProviders, type SearchParts } from './search-ask.ts';
import { hit, never, openEvidence, openPace, providerOf, queryOf } from './testing/web-search.contract.ts';

/** A query that anybody might ask. */
const anybody = { tenantId: 'acme', isPrivate: false };

function around(providers: readonly SearchProvider[], more: Partial<SearchParts> = {}) {
  const { pace, log } = openPace();
  const { evidence, made } = openEvidence();
  const door = { fetch: async () => await Promise.reject(new Error('no provider here fetches')) };
  const parts: SearchParts = { providers, door, pace, evidence, ...more };
  return {
    parts,
    log,
    made,
    ask: (query = queryOf('lock')) => askProviders(parts, providers, { ...query, ...anybody }),
  };
}

const found = (name: string, more: Partial<SearchProvider> = {}) =>
  providerOf(name, () => [hit(`https://${name}.example/`)], more);
const failing = (name: string, fault: Error, more: Partial<SearchProvider> = {}) =>
  providerOf(name, () => Promise.reject(fault), more);

const down = new ProviderFault('transient', 'a is down.');

describe('the providers of the whole web', () => {
  const web = { field: 'web' } as const;

  it('are asked one after the other until one answers', async () => {
    const { ask, log } = around([failing('a', down, web), found('b', web), found('c', web)]);
    const answers = await ask();
    expect(answers.map(({ provider, hits, fault }) => [provider, hits.length, fault?.kind])).toEqual([
      ['a', 0, 'transient'],
      ['b', 1, undefined],
    ]);
    expect(log.filter((line) => line.startsWith('turn'))).toEqual(['turn search:a', 'turn search:b']);
  });

  it('are believed when they found nothing', async () => {
    const { ask } = around([providerOf('a', () => [], web), found('b', web)]);
    expect(await ask()).toEqual([expect.objectContaining({ provider: 'a', hits: [] })]);
  });
});

describe('a provider', () => {
  it('is asked beside the others, and its fault is its own', async () => {
    const blocked = new EgressBlocked('b.example was not fetched', '10.0.0.1');
    const answers = await around([found('a'), failing('b', blocked), found('c')]).ask();
    expect(answers.map(({ provider, fault }) => [provider, fault?.message])).toEqual([
      ['a', undefined],
      ['b', 'b: b.example was not fetched'],
      ['c', undefined],
    ]);
  });

  it('is left behind when it hangs and another has found something', async () => {
    const { ask, log } = around([providerOf('a', never), found('b')], { limits: { graceMs: 5, totalMs: 60_000 } });
    const [a, b] = await ask();
    expect(a?.fault).toEqual({ kind: 'transient', message: 'a did not answer in the time that a query has.' });
    expect(b?.hits).toHaveLength(1);
    expect(log).toContain('done search:a');
  });

  it('is waited for no longer than the whole time when nobody finds anything', async () => {
    const { ask } = around([providerOf('a', never), providerOf('b', () => [])], { limits: { totalMs: 5 } });
    expect((await ask()).map(({ fault }) => fault?.kind)).toEqual(['transient', undefined]);
  });

  it('fails a request that takes too long, before the whole time is over', async () => {
    const { ask } = around([providerOf('a', never)], { limits: { requestMs: 5, totalMs: 60_000 } });
    expect((await ask())[0]?.fault).toMatchObject({ kind: 'transient', message: 'a gave no answer within 5 ms.' });
  });

  it('gets the break that it asked for, within bounds, and none for other faults', async () => {
    const { ask, log } = around([
      failing('a', new ProviderFault('quota', 'x', 7_000)),
      failing('b', new ProviderFault('quota', 'x')),
      failing('c', new ProviderFault('transient', 'x', 9e9)),
      failing('d', new ProviderFault('blocked', 'x')),
    ]);
    await ask();
    const rests = log.filter((line) => line.startsWith('rest')).sort();
    expect(rests).toEqual(['rest search:a 7000', 'rest search:b 30000', 'rest search:c 3600000']);
  });

  it.each([
    ['busy', 'transient'],
    ['resting', 'quota'],
    ['quota', 'quota'],
  ] as const)('that is %s is not asked, and that is a fault of the kind %s', async (why, kind) => {
    const { pace } = openPace({ 'search:a': why });
    const { ask } = around([providerOf('a', never)], { pace });
    expect((await ask())[0]?.fault).toMatchObject({ kind, retryAfterMs: 5_000 });
  });

  it('that refuses us is told to the operator', async () => {
    const refusals: string[] = [];
    const { parts, ask } = around([failing('a', new ProviderFault('blocked', 'Check the key.')), failing('b', down)]);
    await askProviders({ ...parts, onRefusal: (...told) => refusals.push(told.join(': ')) }, parts.providers, {
      ...queryOf('x'),
      ...anybody,
    });
    expect(refusals).toEqual(['a: Check the key.']);
    expect((await ask())[0]?.fault?.kind).toBe('blocked');
  });

  it('is not sent a query that is longer than it takes', async () => {
    const { ask, log } = around([found('a', { longestQuery: 3 })]);
    expect((await ask())[0]?.fault).toMatchObject({ kind: 'invalid', message: expect.stringMatching(/3 .* 4/) });
    expect(log).toEqual([]);
  });

  it('is asked once for what two want, and apart for what differs', async () => {
    const { ask, made } = around([found('a')]);
    await Promise.all([ask(), ask(), ask(queryOf('lock', { after: '2024-01-01' })), ask(queryOf('key'))]);
    expect(made).toHaveLength(3);
    expect(made[0]).toMatch(/^\[null,"search:a:/);
  });

  it('that has a bug ends the call', async () => {
    await expect(around([failing('a', new TypeError('bug'))]).ask()).rejects.toThrow(TypeError);
  });
});

it('stops when its signal fires', async () => {
  const stop = new AbortController();
  const asked = around([providerOf('a', never), found('b')]).ask(queryOf('lock', { signal: stop.signal }));
  stop.abort();
  await expect(asked).rejects.toThrow(Aborted);
});
