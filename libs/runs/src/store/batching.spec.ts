import { describe, expect, it } from '@jest/globals';
import { Unavailable } from '#errors';
import { Batching } from './batching.ts';

/** A store whose statements end when the test says so. */
function store() {
  const statements: { items: readonly string[]; end: (error?: unknown) => void }[] = [];
  const write = async (items: readonly string[]): Promise<string[]> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    statements.push({ items, end: (error) => (error === undefined ? resolve() : reject(error)) });
    await promise;
    return items.map((item) => `${item} written`);
  };
  const batching = new Batching({ keyOf: (item: string) => item.split(' ')[0] ?? '', write });
  const underWay = () => statements.map(({ items }) => items);
  const end = async (place: number, error?: unknown) => {
    statements[place]?.end(error);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { batching, underWay, end };
}

const many = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `k${from + i}`);

describe('Batching', () => {
  it('sends what comes while a statement is under way together in the next one', async () => {
    const { batching, underWay, end } = store();
    const outcomes = ['a', 'b', 'c'].map((item) => batching.add(item));
    expect(underWay()).toEqual([['a']]);
    await end(0);
    expect(underWay()).toEqual([['a'], ['b', 'c']]);
    await end(1);
    expect(await Promise.all(outcomes)).toEqual(['a written', 'b written', 'c written']);
  });

  it('keeps items of one key in their order, each in a statement of its own', async () => {
    const { batching, underWay, end } = store();
    for (const item of ['a 1', 'a 2', 'b 1', 'a 3']) void batching.add(item);
    await end(0);
    expect(underWay().slice(1)).toEqual([['a 2', 'b 1']]);
    await end(1);
    expect(underWay().slice(2)).toEqual([['a 3']]);
  });

  it('sends a second statement beside the first when enough wait, but no key of the first', async () => {
    const { batching, underWay } = store();
    void batching.add('k0 1');
    for (const item of ['k0 2', ...many(149, 1)]) void batching.add(item);
    expect(underWay()).toHaveLength(2);
    expect(underWay()[1]).toEqual(many(149, 1));
    for (const item of many(200, 1000)) void batching.add(item);
    expect(underWay()).toHaveLength(2);
  });

  it('lets items go alone when their statement is refused, so that one fails and its neighbours do not', async () => {
    const { batching, underWay, end } = store();
    void batching.add('first');
    const both = Promise.allSettled([batching.add('bad'), batching.add('good')]);
    await end(0);
    await end(1, new Error('refused'));
    expect(underWay().slice(2)).toEqual([['bad']]);
    await end(2, new Error('refused'));
    await end(3);
    expect(await both).toMatchObject([{ reason: { message: 'refused' } }, { value: 'good written' }]);
  });

  it('fails all at once when the store is away', async () => {
    const { batching, underWay, end } = store();
    void batching.add('first');
    const both = Promise.allSettled([batching.add('a'), batching.add('b')]);
    await end(0);
    await end(1, new Unavailable('away'));
    expect(await both).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }]);
    expect(underWay()).toHaveLength(2);
  });
});
