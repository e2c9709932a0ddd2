import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LocalRates, type RateClaim, type Rated, type RateRule, type Rates, SteadyRates } from './rates.ts';

const slow: RateRule = { perSecond: 1, burst: 3 };

/** The same as a bucket that drains, in whole thousandths of a request: a leaky bucket as textbooks have it. */
class Bucket {
  #level = 0;
  #at = 0;

  drain({ perSecond }: RateRule, now: number): number {
    this.#level = Math.max(0, this.#level - (now - this.#at) * perSecond);
    this.#at = now;
    return this.#level;
  }

  pour(): void {
    this.#level += 1_000;
  }
}

const rules: readonly RateRule[] = [slow, { perSecond: 5, burst: 1 }, { perSecond: 2, burst: 10 }];
const asks = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.constant(0), fc.nat(2_000)),
    keys: fc.uniqueArray(fc.nat(2), { minLength: 1 }),
  }),
  { maxLength: 60 },
);

describe('rates', () => {
  it('let through what a leaky bucket for each key would, all keys or none, and say what is left', async () => {
    await fc.assert(
      fc.asyncProperty(asks, async (sequence) => {
        let now = 1_000_000;
        const rates = new LocalRates(() => now);
        const buckets = rules.map(() => new Bucket());
        for (const { afterMs, keys } of sequence) {
          now += afterMs;
          const levels = rules.map((rule, key) => buckets[key]?.drain(rule, now) ?? 0);
          const fits = keys.every((key) => (levels[key] ?? 0) <= ((rules[key]?.burst ?? 0) - 1) * 1_000);
          const told = await rates.take(keys.map((key) => ({ key: `k${key}`, rule: rules[key] ?? slow })));
          expect([told.granted, told.retryAfterMs === 0]).toEqual([fits, fits]);
          if (fits) for (const key of keys) buckets[key]?.pour();
          const left = keys.map((key) => {
            const level = buckets[key]?.drain(rules[key] ?? slow, now) ?? 0;
            return Math.max(0, Math.floor((rules[key]?.burst ?? 0) - level / 1_000));
          });
          expect(told.standings.map(({ remaining }) => remaining)).toEqual(left);
        }
      }),
    );
  });

  it('are kept by whoever waits as long as they say, and not a millisecond less', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...rules), fc.nat(5_000), async (rule, pauseMs) => {
        let now = 1_000_000;
        const rates = new LocalRates(() => now);
        const take = async (): Promise<Rated> => await rates.take([{ key: 'k', rule }]);
        for (let count = 0; count < rule.burst; count += 1) await take();
        now += pauseMs;
        const { granted, retryAfterMs } = await take();
        if (granted) return;
        now += retryAfterMs - 1;
        expect((await take()).granted).toBe(false);
        now += 1;
        expect((await take()).granted).toBe(true);
      }),
    );
  });

  it('are a small part of themselves while the others cannot be asked', async () => {
    let away = false;
    const shared: Rates = {
      take: async (claims) => {
        if (away) throw new Error('gone');
        return await new LocalRates(() => 0).take(claims);
      },
    };
    const said: string[] = [];
    const watch = { away: () => void said.push('away'), back: () => void said.push('back') };
    const rates = new SteadyRates(shared, new LocalRates(() => 0), watch);
    const claims: RateClaim[] = [{ key: 'k', rule: { perSecond: 1, burst: 8 } }];
    expect((await rates.take(claims)).standings[0]?.remaining).toBe(7);
    away = true;
    const alone = [await rates.take(claims), await rates.take(claims), await rates.take(claims)];
    expect(alone.map(({ granted }) => granted)).toEqual([true, true, false]);
    expect(alone[2]?.retryAfterMs).toBe(4_000);
    expect(said).toEqual(['away']);
  });
});
