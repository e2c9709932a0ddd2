import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Aborted, Unavailable } from '#errors';
import { type Bus, LocalBus } from '../bus.ts';
import type { Statements } from '../store/database.ts';
import { describeStores } from '../store/stores.contract.ts';
import { Evidence } from './evidence.ts';
import type { Made, Shared } from './flight.ts';
import { mostBytes } from './packing.ts';

const never = new AbortController().signal;
const hour = 3_600_000;
const kept = <T>(value: T): Made<T> => ({ value, keepMs: hour });

/** A database as a process has it: it can be cut off, or held up for a while. */
class Line implements Statements {
  readonly #database: Statements;
  #cut = false;
  #held: Promise<void> | null = null;
  constructor(database: Statements) {
    this.#database = database;
  }
  cut(): void {
    this.#cut = true;
  }
  hold(until: Promise<void>): void {
    this.#held = until;
  }
  async query<R>(text: string, values: readonly unknown[] = []) {
    await this.#held;
    if (this.#cut) throw new Unavailable('This process is cut off.');
    return await this.#database.query<R>(text, values);
  }
}

describeStores((stores) => {
  const opened: Evidence[] = [];
  afterEach(async () => {
    await Promise.all(opened.splice(0).map(async (one) => await one.close()));
  });

  interface ClientOptions {
    readonly database?: Statements;
    readonly bus?: Bus;
    readonly leaseMs?: number;
    readonly pollMs?: number;
  }
  /** As another process would have it. */
  function client({ database = stores().database, bus = stores().bus, ...times }: ClientOptions = {}): Evidence {
    const evidence = new Evidence(database, bus, { pollMs: 60_000, ...times });
    opened.push(evidence);
    return evidence;
  }

  let named = 0;
  const newKey = (): string => {
    named += 1;
    return `test:${named}`;
  };
  const want = (key: string, changes: { tenantId?: string; freshMs?: number; signal?: AbortSignal } = {}) => {
    return { tenantId: null, key, freshMs: hour, signal: never, ...changes };
  };
  const none = async (): Promise<never> => {
    throw new Error('this must not be made');
  };
  /** Makes when it is told to. */
  function gated<T>(value: T, keepMs = hour) {
    const begun = Promise.withResolvers<AbortSignal>();
    const gate = Promise.withResolvers<void>();
    const make = async (signal: AbortSignal): Promise<Made<T>> => {
      begun.resolve(signal);
      await gate.promise;
      return { value, keepMs };
    };
    return { make, begun: begun.promise, end: gate.resolve, fail: gate.reject };
  }
  const rowOf = async (key: string) => {
    const { rows } = await stores().database.query<{ claimed: boolean; wanted: boolean; stored: boolean }>(
      `SELECT claim_id IS NOT NULL AS claimed, wanted_until IS NOT NULL AS wanted, value IS NOT NULL AS stored
       FROM argosy.evidence WHERE key = $1`,
      [key],
    );
    return rows[0];
  };
  /** Resolves when another process waits for what is being made. */
  const isWaitedFor = async (key: string): Promise<void> => {
    while (!(await rowOf(key))?.wanted) await pause(10);
  };
  const age = async (key: string, by: string): Promise<void> => {
    const sql = `UPDATE argosy.evidence SET made_at = made_at - $2::interval, expires_at = expires_at - $2::interval WHERE key = $1`;
    expect((await stores().database.query(sql, [key, by])).changed).toBe(1);
  };

  describe('evidence', () => {
    it.each([hour, 0])(
      'is made once for fifty who want it at once in two processes, fresh for %d ms',
      async (freshMs) => {
        const [one, other] = [client(), client()];
        const key = newKey();
        let made = 0;
        const make = async () => {
          made += 1;
          // Ends only when the other process waits, too.
          await isWaitedFor(key);
          return kept({ made });
        };
        const wants = Array.from(
          { length: 50 },
          async (_, n) => await (n % 2 ? one : other).share(want(key, { freshMs }), make),
        );
        const got = await Promise.all(wants);
        expect(made).toBe(1);
        expect(got.map(({ value }) => value)).toEqual(got.map(() => ({ made: 1 })));
        expect(got.filter(({ shared }) => !shared)).toHaveLength(1);
        expect(new Set(got.map(({ madeAt }) => madeAt)).size).toBe(1);
        expect(Math.abs(Date.parse(got[0]?.madeAt ?? '') - Date.now())).toBeLessThan(60_000);
      },
    );

    it('is found later in another process, until it is older than is wanted or than it may be', async () => {
      const key = newKey();
      const first = await client().share(want(key), async () => kept('first'));
      const found = await client().share(want(key), none);
      expect(found).toEqual({ value: 'first', madeAt: first.madeAt, shared: true });
      await age(key, '30 minutes');
      expect((await client().share(want(key), none)).value).toBe('first');
      const newer = await client().share(want(key, { freshMs: 60_000 }), async () => kept('second'));
      expect(newer).toMatchObject({ value: 'second', shared: false });
      await age(key, '2 hours');
      expect((await client().share(want(key, { freshMs: 100 * hour }), async () => kept('third'))).value).toBe('third');
      expect((await client().share(want(key, { freshMs: 0 }), async () => kept('fourth'))).value).toBe('fourth');
    });

    it("is a tenant's own, or everybody's", async () => {
      const key = newKey();
      const evidence = client();
      const of = async (tenantId: string | null) =>
        (await evidence.share({ ...want(key), tenantId }, async () => kept(`of ${tenantId}`))).value;
      for (let n = 0; n < 2; n++) {
        expect(await Promise.all([of('acme'), of('rival'), of(null)])).toEqual(['of acme', 'of rival', 'of null']);
      }
      await expect(of('')).rejects.toThrow(RangeError);
    });

    it('that is not to be kept goes to those who wait, elsewhere too, and to nobody later', async () => {
      const key = newKey();
      const [one, other] = [client(), client()];
      const { make, begun, end } = gated('now', 0);
      const first = one.share(want(key), make);
      await begun;
      const second = other.share(want(key, { freshMs: 0 }), none);
      await isWaitedFor(key);
      end();
      expect(await first).toMatchObject({ value: 'now', shared: false });
      expect(await second).toMatchObject({ value: 'now', shared: true });
      expect((await other.share(want(key), async () => kept('later'))).value).toBe('later');
    });

    it('is made by one who waits when its maker died', async () => {
      const key = newKey();
      const line = new Line(stores().database);
      const doomed = client({ database: line, leaseMs: 300 });
      const lost = gated('lost');
      const dying = doomed.share(want(key), lost.make);
      await lost.begun;
      const waiting = client({ pollMs: 50 }).share(want(key), async () => kept('made'));
      await isWaitedFor(key);
      line.cut();
      expect(await waiting).toMatchObject({ value: 'made', shared: false });
      // What the dead one made is its own affair.
      lost.end();
      expect(await dying).toMatchObject({ value: 'lost', shared: false });
      expect((await client().share(want(key), none)).value).toBe('made');
    });

    it('of a maker that was only frozen overwrites nothing that was made meanwhile', async () => {
      const key = newKey();
      const line = new Line(stores().database);
      const thaw = Promise.withResolvers<void>();
      const late = gated('late');
      const frozen = client({ database: line, leaseMs: 200 }).share(want(key), late.make);
      await late.begun;
      line.hold(thaw.promise);
      const made = await client({ pollMs: 50 }).share(want(key), async () => kept('made'));
      late.end();
      thaw.resolve();
      expect([made.value, (await frozen).value]).toEqual(['made', 'late']);
      expect((await client().share(want(key), none)).value).toBe('made');
    });

    it('is held for longer than the lease by a maker that lives', async () => {
      const key = newKey();
      const slow = gated('slow');
      const making = client({ leaseMs: 150 }).share(want(key), slow.make);
      await slow.begun;
      const waiting = client({ pollMs: 20 }).share(want(key), none);
      await pause(600);
      slow.end();
      expect((await making).shared).toBe(false);
      expect(await waiting).toMatchObject({ value: 'slow', shared: true });
    });

    it('is made by the next who waits when a maker fails, which only its own caller is told; no failure is kept', async () => {
      const key = newKey();
      const [one, other] = [client(), client()];
      const bad = gated('bad');
      const first = one.share(want(key), bad.make);
      await bad.begun;
      const second = one.share(want(key), async () => {
        throw new Error('the second fails, too');
      });
      const third = other.share(want(key), async () => kept('third'));
      await isWaitedFor(key);
      bad.fail(new Error('the first fails'));
      await expect(first).rejects.toThrow('the first fails');
      await expect(second).rejects.toThrow('the second fails, too');
      expect(await third).toMatchObject({ value: 'third', shared: false });

      const again = newKey();
      await expect(one.share(want(again), async () => Promise.reject(new Error('no')))).rejects.toThrow('no');
      expect((await other.share(want(again), async () => kept('yes'))).value).toBe('yes');
    });

    it('goes on being made when its first caller leaves and others wait, here or in another process', async () => {
      for (const elsewhere of [false, true]) {
        const key = newKey();
        const [one, other] = [client({ leaseMs: 300 }), client({ pollMs: 30_000 })];
        const stop = new AbortController();
        const { make, begun, end } = gated('made');
        const first = one.share(want(key, { signal: stop.signal }), make);
        const signal = await begun;
        const second = (elsewhere ? other : one).share(want(key), none);
        if (elsewhere) await isWaitedFor(key);
        stop.abort('enough');
        await expect(first).rejects.toThrow(Aborted);
        await pause(250);
        expect(signal.aborted).toBe(false);
        end();
        expect(await second).toMatchObject({ value: 'made', shared: true });
      }
    });

    it('is given up when nobody waits any more, and made by the next who wants it, at once', async () => {
      const key = newKey();
      const stops = [new AbortController(), new AbortController()];
      const evidence = client();
      // Of a maker that does not heed its signal.
      const { make, begun } = gated('never');
      const waits = stops.map(async ({ signal }) => await evidence.share(want(key, { signal }), make));
      const signal = await begun;
      const over = new Promise((resolve) => signal.addEventListener('abort', resolve));
      for (const stop of stops) stop.abort();
      for (const wait of waits) await expect(wait).rejects.toThrow(Aborted);
      await over;
      expect((await evidence.share(want(key), async () => kept('next'))).value).toBe('next');
      await expect(evidence.share(want(newKey(), { signal: AbortSignal.abort() }), none)).rejects.toThrow(Aborted);
    });

    it('is given up by a process that goes down, and made at once by another that waits', async () => {
      const key = newKey();
      const leaving = client();
      const { make, begun } = gated('never');
      const left = leaving.share(want(key), make);
      const signal = await begun;
      const waiting = client().share(want(key), async () => kept('made'));
      await isWaitedFor(key);
      const refused = expect(left).rejects.toThrow(Aborted);
      await leaving.close();
      await refused;
      expect(signal.aborted).toBe(true);
      expect((await waiting).value).toBe('made');
      await expect(leaving.share(want(key), none)).rejects.toThrow(Aborted);
    });

    it('is found without a hint, by looking', async () => {
      const key = newKey();
      const deaf = () => client({ bus: new LocalBus(), pollMs: 50 });
      const { make, begun, end } = gated('made');
      const making = deaf().share(want(key), make);
      await begun;
      const waiting = deaf().share(want(key), none);
      await isWaitedFor(key);
      end();
      await making;
      expect((await waiting).value).toBe('made');
    });

    it('keeps keys apart, whatever they are made of, and values as JSON has them', async () => {
      const keys = ['', ' ', 'a', '\0', '\ud800', '\ufffd', "'; DROP TABLE argosy.evidence; --", 'k'.repeat(100_000)];
      const value = (key: string) => ({ text: `${key.slice(0, 9)} \0 \ud800 ü`, list: [1, null, true, { a: 0.1 }] });
      for (const key of keys) await client().share(want(`odd${key}`), async () => kept(value(key)));
      for (const key of keys) expect((await client().share(want(`odd${key}`), none)).value).toEqual(value(key));
    });

    it('that is large is kept up to the bound, and beyond it only given', async () => {
      const key = newKey();
      const text = 'A page that is long. '.repeat(300_000);
      await client().share(want(key), async () => kept(text));
      expect((await client().share(want(key), none)).value).toBe(text);
      const huge = newKey();
      const tooLarge = 'x'.repeat(mostBytes);
      const evidence = client();
      const both = [evidence.share(want(huge), async () => kept(tooLarge)), evidence.share(want(huge), none)];
      for (const { value } of await Promise.all(both)) expect(String(value).length).toBe(mostBytes);
      // Its claim is given up after the value was given.
      await evidence.close();
      expect(await rowOf(huge)).toMatchObject({ stored: false, claimed: false });
    });

    it('may be made of other evidence, wanted by many makers at once', async () => {
      const robots = newKey();
      let made = 0;
      const page = async (evidence: Evidence, n: number): Promise<Shared<string>> =>
        await evidence.share(want(`page:${robots}:${n}`), async (signal) => {
          const rules = await evidence.share(want(robots, { signal }), async () => {
            made += 1;
            await pause(20);
            return kept('allow');
          });
          return kept(`${n} ${rules.value}`);
        });
      const clients = [client(), client()] as const;
      const pages = await Promise.all(
        Array.from({ length: 40 }, async (_, n) => await page(clients[n % 2 ? 0 : 1], n)),
      );
      expect(pages.map(({ value }) => value)).toEqual(pages.map((_, n) => `${n} allow`));
      expect(made).toBe(1);
    });

    it('of which nothing can be stored is a fault of whoever made it', async () => {
      const key = newKey();
      await expect(client().share(want(key), async () => kept(() => undefined))).rejects.toThrow(TypeError);
      expect(await rowOf(key)).toMatchObject({ claimed: false });
    });

    it('is made once in each process while the database is away, and not kept', async () => {
      const key = newKey();
      const line = new Line(stores().database);
      line.cut();
      const cutOff = client({ database: line });
      let made = 0;
      const make = async () => {
        made++;
        if (made === 1) throw new TypeError('not at once');
        return kept('alone');
      };
      const both = await Promise.allSettled([cutOff.share(want(key), make), cutOff.share(want(key), make)]);
      expect(both).toMatchObject([
        { status: 'rejected', reason: new TypeError('not at once') },
        { status: 'fulfilled', value: { value: 'alone', shared: false } },
      ]);
      expect(made).toBe(2);
      expect(await client().share(want(key), async () => kept('anew'))).toMatchObject({ value: 'anew' });
    });
  });
});
