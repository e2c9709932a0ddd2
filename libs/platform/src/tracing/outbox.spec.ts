import { describe, expect, it } from '@jest/globals';
import { type Delivery, Outbox, type OutboxOptions } from './outbox.ts';

const away: Delivery = { reason: 'unreachable', message: 'ECONNREFUSED' };

/** An outbox whose deliveries the test ends itself. Items are their own sizes. */
function played(options: Partial<OutboxOptions<number>> = {}) {
  const sent: { readonly batch: readonly number[]; readonly arrive: (delivery: Delivery) => void }[] = [];
  const told: [number, Delivery | 'full'][] = [];
  const more = { next: Promise.withResolvers<void>() };
  const outbox = new Outbox<number>({
    most: { items: 6, bytes: 100 },
    batch: { items: 2, bytes: 50 },
    everyMs: 60_000,
    bytesOf: (item) => item,
    deliver: async (batch) => {
      const { promise, resolve } = Promise.withResolvers<Delivery>();
      sent.push({ batch, arrive: resolve });
      more.next.resolve();
      more.next = Promise.withResolvers<void>();
      return await promise;
    },
    tell: (count, delivery) => told.push([count, delivery]),
    ...options,
  });
  return { outbox, sent, told, more };
}

describe('an outbox', () => {
  it('sends a batch as soon as it is whole, and the rest when it is flushed, one after the other', async () => {
    const { outbox, sent, told, more } = played();
    outbox.add(1);
    expect(sent).toEqual([]);
    outbox.add(2);
    outbox.add(3);
    expect(sent.map(({ batch }) => batch)).toEqual([[1, 2]]);
    const flushed = outbox.flush();
    const next = more.next.promise;
    sent[0]?.arrive(null);
    await next;
    expect(sent[1]?.batch).toEqual([3]);
    sent[1]?.arrive(away);
    await flushed;
    expect(told).toEqual([
      [2, null],
      [1, away],
    ]);
    expect(outbox.load).toEqual({ items: 0, bytes: 0 });
  });

  it('sends what waits by itself after a while', async () => {
    const { outbox, sent, more } = played({ everyMs: 1 });
    outbox.add(1);
    await more.next.promise;
    expect(sent[0]?.batch).toEqual([1]);
  });

  it('takes no more than its bounds while nothing arrives, whatever comes, and says what it lost', async () => {
    const { outbox, told } = played();
    for (let item = 0; item < 1_000; item++) outbox.add(1);
    expect(outbox.load).toEqual({ items: 6, bytes: 6 });
    expect(told).toHaveLength(994);
    expect(told.every(([count, delivery]) => count === 1 && delivery === 'full')).toBe(true);
  });

  it('is bounded in bytes, too, and sends together no more than a batch may have, but one of any size', async () => {
    const { outbox, sent, told } = played();
    outbox.add(90);
    outbox.add(11);
    outbox.add(10);
    expect(told).toEqual([[1, 'full']]);
    expect(sent.map(({ batch }) => batch)).toEqual([[90]]);
    expect(outbox.load).toEqual({ items: 2, bytes: 100 });
  });
});
