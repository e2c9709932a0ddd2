import { setTimeout as pause } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { Aborted } from '#errors';
import type { Bus } from '../bus.ts';
import type { Gate, PaceRule } from './gate.ts';
import { Pacing, type Turn } from './pacing.ts';

/** A gate as one more process would open it, and the bus by which it hears of free turns. */
export type OpenGate = () => { readonly gate: Gate; readonly bus: Bus };

const never = new AbortController().signal;
const patient = { patienceMs: 20_000, signal: never };
const hasty = { patienceMs: 0, signal: never };
/** As good as no limit. */
const free: PaceRule = { perSecond: 1e6, burst: 1e6, parallel: 1e6, perDay: null };

const end = async (turn: Turn): Promise<void> => {
  if (turn.granted) await turn.done();
};

/** Counts what a gate is asked. */
function counted(gate: Gate, looks: { count: number }): Gate {
  return {
    take: async (key, rule) => {
      looks.count += 1;
      return await gate.take(key, rule);
    },
    rest: async (key, ms) => await gate.rest(key, ms),
  };
}

/** What every gate must do, through the turns that are given at it. `prepare` gives keys that nobody has used. */
export function describePace(name: string, prepare: (holdMs?: number) => OpenGate): void {
  describe(`pace ${name}`, () => {
    let one: Pacing;
    let other: Pacing;
    const looks = { count: 0 };
    const twoOn = (open: OpenGate): [Pacing, Pacing] => {
      const process = (): Pacing => {
        const { gate, bus } = open();
        return new Pacing(counted(gate, looks), bus);
      };
      return [process(), process()];
    };
    beforeEach(() => {
      looks.count = 0;
      [one, other] = twoOn(prepare());
    });

    it('lets a burst begin at once, and then no more than the rate, over two processes', async () => {
      const slow = { ...free, perSecond: 0.01, burst: 3 };
      const burst = await Promise.all(
        [1, 2, 3].map(async (n) => await (n === 2 ? other : one).turn('slow', slow, hasty)),
      );
      expect(burst.map(({ granted }) => granted)).toEqual([true, true, true]);
      expect(await other.turn('slow', slow, hasty)).toMatchObject({ granted: false, why: 'busy' });
      const rule = { ...free, perSecond: 20, burst: 1 };
      const begunAt = performance.now();
      await Promise.all([1, 2, 3, 4, 5, 6].map(async (n) => await (n % 2 ? other : one).turn('host', rule, patient)));
      // Five pauses of 50 ms; a little for two clocks.
      expect(performance.now() - begunAt).toBeGreaterThan(5 * 50 - 10);
    });

    it('has no more under way than may be, and as many, over two processes', async () => {
      const rule = { ...free, parallel: 2 };
      let [active, most] = [0, 0];
      const work = async (pace: Pacing): Promise<void> => {
        const turn = await pace.turn('host', rule, patient);
        expect(turn.granted).toBe(true);
        active += 1;
        most = Math.max(most, active);
        await pause(2);
        active -= 1;
        await end(turn);
      };
      await Promise.all(Array.from({ length: 12 }, async (_, n) => await work(n % 2 ? one : other)));
      expect(most).toBe(2);
    });

    it('is patient for as long as it was told, and says at once when that is too short', async () => {
      const held = await one.turn('full', { ...free, parallel: 1 }, hasty);
      const startedAt = performance.now();
      const busy = await other.turn('full', { ...free, parallel: 1 }, { patienceMs: 60, signal: never });
      expect(busy).toEqual({ granted: false, why: 'busy', retryAfterMs: 0 });
      expect(performance.now() - startedAt).toBeGreaterThan(55);
      await end(held);
      const slow = { ...free, perSecond: 0.01, burst: 1 };
      await end(await one.turn('slow', slow, hasty));
      const tooSlow = await other.turn('slow', slow, { patienceMs: 60_000, signal: never });
      expect(tooSlow).toMatchObject({ granted: false, why: 'busy' });
      expect(tooSlow.granted || tooSlow.retryAfterMs).toBeGreaterThan(90_000);
    });

    it('ends a wait when its signal fires, first in line or not, and gives the turn to the next', async () => {
      const rule = { ...free, parallel: 1 };
      const held = await one.turn('host', rule, hasty);
      const stops = [new AbortController(), new AbortController()];
      const waits = stops.map(async ({ signal }) => await one.turn('host', rule, { patienceMs: 20_000, signal }));
      const next = one.turn('host', rule, patient);
      for (const stop of stops) stop.abort('enough');
      for (const wait of waits) await expect(wait).rejects.toThrow(Aborted);
      await end(held);
      expect((await next).granted).toBe(true);
      await expect(one.turn('new', rule, { patienceMs: 1, signal: AbortSignal.abort() })).rejects.toThrow(Aborted);
      // What was aborted holds nothing.
      expect((await other.turn('new', rule, hasty)).granted).toBe(true);
    });

    it('gives as many turns as a day has, and says when the day is over', async () => {
      const rule = { ...free, perDay: 2 };
      for (const pace of [one, other]) await end(await pace.turn('host', rule, hasty));
      const refused = await one.turn('host', rule, { patienceMs: 1_000, signal: never });
      expect(refused).toMatchObject({ granted: false, why: 'quota' });
      expect(refused.granted || refused.retryAfterMs).toBeLessThanOrEqual(86_400_000);
      expect((await one.turn('host', free, hasty)).granted).toBe(true);
    });

    it('rests for all, for the longest that anybody asked for, and waits for its end with patience', async () => {
      await one.rest('host', 60_000);
      await other.rest('host', 10);
      const refused = await other.turn('host', free, { patienceMs: 1_000, signal: never });
      expect(refused).toMatchObject({ granted: false, why: 'resting' });
      expect(refused.granted || refused.retryAfterMs).toBeGreaterThan(59_000);
      await one.rest('short', 80);
      const startedAt = performance.now();
      expect((await other.turn('short', free, patient)).granted).toBe(true);
      expect(performance.now() - startedAt).toBeGreaterThan(70);
      await one.rest('none', 0);
      expect((await one.turn('none', free, hasty)).granted).toBe(true);
    });

    it('tells everyone in line why the first of them waits', async () => {
      await one.rest('host', 500);
      const first = one.turn('host', free, patient);
      const second = await one.turn('host', free, { patienceMs: 50, signal: never });
      expect(second).toMatchObject({ granted: false, why: 'resting' });
      expect((await first).granted).toBe(true);
    });

    it('takes back the turn of a holder that died', async () => {
      const rule = { ...free, parallel: 1 };
      const [dies, lives] = twoOn(prepare(150));
      await dies.turn('host', rule, hasty);
      expect((await lives.turn('host', rule, hasty)).granted).toBe(false);
      expect((await lives.turn('host', rule, patient)).granted).toBe(true);
    });

    it('does not end the turn of another when one is given back twice', async () => {
      const rule = { ...free, parallel: 1 };
      const first = await one.turn('host', rule, hasty);
      await end(first);
      await one.turn('host', rule, hasty);
      await end(first);
      expect((await other.turn('host', rule, hasty)).granted).toBe(false);
    });

    it('is asked little by hundreds who wait, and serves each of them once', async () => {
      const rule = { ...free, perSecond: 500, burst: 10, parallel: 3 };
      const crowd = Array.from({ length: 300 }, async (_, n) => {
        const turn = await (n % 2 ? one : other).turn('host', rule, patient);
        await end(turn);
        return turn.granted;
      });
      expect((await Promise.all(crowd)).every(Boolean)).toBe(true);
      // One that is granted, and for each of two processes at most two that are not.
      expect(looks.count).toBeLessThan(300 * 5);
    });

    it('keeps keys apart, whatever they are made of', async () => {
      const keys = [
        '',
        ' ',
        'a',
        'a b',
        '\0',
        '\ud800',
        '\ufffd',
        '{a}',
        '*',
        'ünïcödé',
        'host:443',
        'x'.repeat(50_000),
      ];
      const rule = { ...free, perDay: 1 };
      const granted = async () =>
        await Promise.all(keys.map(async (key) => (await one.turn(key, rule, hasty)).granted));
      expect(await granted()).toEqual(keys.map(() => true));
      expect(await granted()).toEqual(keys.map(() => false));
    });

    it.each([
      { ...free, perSecond: 0 },
      { ...free, perSecond: Number.NaN },
      { ...free, burst: 0 },
      { ...free, parallel: 0 },
      { ...free, perDay: -1 },
    ])('refuses a rule that no turn can keep: %j', async (rule) => {
      await expect(one.turn('host', rule, hasty)).rejects.toThrow(RangeError);
    });
  });
}
