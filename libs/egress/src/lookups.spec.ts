import { describe, expect, it } from '@jest/globals';
import { Lookups } from './lookups.ts';

/** A resolver that answers when it is told to. */
function resolver(most: number) {
  const begun: string[] = [];
  const answers = new Map<string, (addresses: readonly string[]) => void>();
  const refusals = new Map<string, (error: Error) => void>();
  const clock = { now: 0 };
  const lookUp = async (host: string) => {
    begun.push(host);
    return await new Promise<readonly string[]>((resolve, reject) => {
      answers.set(host, resolve);
      refusals.set(host, reject);
    });
  };
  const lookups = new Lookups(lookUp, most, () => clock.now);
  return {
    lookups,
    begun,
    clock,
    answer: (host: string) => answers.get(host)?.([host]),
    refuse: (host: string) => refusals.get(host)?.(new Error('no')),
  };
}

describe('Lookups', () => {
  it('never has more under way than it may, and goes on with the first who waits', async () => {
    const { lookups, begun, answer, refuse } = resolver(2);
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((host) => lookups.addressesOf(host));
    expect(begun).toEqual(['a', 'b']);
    answer('b');
    expect(await b).toEqual(['b']);
    expect(begun).toEqual(['a', 'b', 'c']);
    refuse('c');
    await expect(c).rejects.toThrow('no');
    expect(begun).toEqual(['a', 'b', 'c', 'd']);
    answer('a');
    answer('d');
    expect(await Promise.all([a, d])).toEqual([['a'], ['d']]);
    const again = [lookups.addressesOf('e'), lookups.addressesOf('f')];
    expect(begun.slice(4)).toEqual(['e', 'f']);
    answer('e');
    answer('f');
    await Promise.all(again);
  });

  it('asks once for all who want the same name, however long it hangs', async () => {
    const { lookups, begun, answer } = resolver(2);
    const all = ['a', 'a', 'b', 'a'].map((host) => lookups.addressesOf(host));
    expect(begun).toEqual(['a', 'b']);
    answer('a');
    answer('b');
    expect(await Promise.all(all)).toEqual([['a'], ['a'], ['b'], ['a']]);
    void lookups.addressesOf('a');
    expect(begun).toEqual(['a', 'b', 'a']);
  });

  it('gives up what waited too long instead of looking it up for nobody', async () => {
    const { lookups, begun, clock, answer } = resolver(1);
    const first = lookups.addressesOf('a');
    const late = lookups.addressesOf('b');
    clock.now = 5_001;
    const inTime = lookups.addressesOf('c');
    answer('a');
    await expect(late).rejects.toMatchObject({ code: 'EAI_AGAIN' });
    expect(await first).toEqual(['a']);
    answer('c');
    expect(await inTime).toEqual(['c']);
    expect(begun).toEqual(['a', 'c']);
  });
});
