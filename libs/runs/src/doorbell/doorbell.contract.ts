import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Answering, AnswerOptions, Bell, Doorbell, Ring } from './doorbell.ts';

/** A doorbell as one process would hold it. */
export interface DoorbellUnderTest {
  readonly doorbell: Doorbell;
  /** The process dies: its workers stop at once, finish nothing and renew nothing. */
  vanish(): Promise<void>;
}

/** An empty store that any number of processes open. */
export type OpenDoorbell = () => Promise<DoorbellUnderTest>;

const ringOf = (key: string, changes: Partial<Ring> = {}): Ring => ({
  bell: 'runs',
  tenantId: 'acme',
  runId: 'run-1',
  key,
  ...changes,
});

/** A worker's answers as they begin; each waits for its gate where there is one. */
class Heard {
  readonly rings: Ring[] = [];
  #onRing: () => void = () => undefined;

  add(ring: Ring): void {
    this.rings.push(ring);
    this.#onRing();
  }

  get keys(): string[] {
    return this.rings.map((ring) => ring.key);
  }

  /** Resolves once a ring with this key was heard. */
  async key(key: string): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onRing = () => this.keys.includes(key) && resolve();
      this.#onRing();
    });
  }
}

/** What every backend of a doorbell must do. `prepare` gives an empty store before each test. */
export function describeDoorbell(name: string, prepare: () => Promise<OpenDoorbell>): void {
  describe(`the doorbell on ${name}`, () => {
    let open: OpenDoorbell;
    let doorbell: Doorbell;
    const opened: Doorbell[] = [];
    const another = async (): Promise<DoorbellUnderTest> => {
      const made = await open();
      opened.push(made.doorbell);
      return made;
    };
    beforeEach(async () => {
      open = await prepare();
      ({ doorbell } = await another());
    });
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((made) => made.close()));
    });

    /** Answers with a work that may be given, one ring at a time unless said otherwise. */
    async function listen(
      work: (ring: Ring, signal: AbortSignal) => Promise<void> = async () => undefined,
      options: Partial<AnswerOptions> & { readonly on?: Doorbell; readonly bell?: Bell } = {},
    ): Promise<Heard & { readonly answering: Answering }> {
      const { on = doorbell, bell = 'runs', ...rest } = options;
      const heard = new Heard();
      const answer = async (ring: Ring, signal: AbortSignal): Promise<void> => {
        heard.add(ring);
        await work(ring, signal);
      };
      const answering = await on.answer(bell, answer, { concurrency: 1, ...rest });
      return Object.assign(heard, { answering });
    }

    describe('ring', () => {
      it('is answered with exactly what it was rung with', async () => {
        const heard = await listen(undefined, { bell: 'calls' });
        const ring = ringOf('call-1-1', { bell: 'calls', callId: 'call-1' });
        await doorbell.ring(ring);
        await heard.key('call-1-1');
        expect(heard.rings).toEqual([ring]);
      });

      it('reaches only those who answer its bell', async () => {
        await doorbell.ring(ringOf('call', { bell: 'calls', callId: 'c' }));
        await doorbell.ring(ringOf('run'));
        const calls = await listen(undefined, { bell: 'calls' });
        const runs = await listen();
        await Promise.all([calls.key('call'), runs.key('run')]);
        expect([calls.keys, runs.keys]).toEqual([['call'], ['run']]);
      });

      it('passes by who has paused, who goes on with what it has and comes back', async () => {
        const gate = Promise.withResolvers<void>();
        const pausing = await listen(async () => await gate.promise);
        await doorbell.ring(ringOf('held'));
        await pausing.key('held');
        pausing.answering.pause(true);
        const other = await listen();
        await doorbell.ring(ringOf('passing'));
        await other.key('passing');
        gate.resolve();
        await other.answering.close();
        pausing.answering.pause(false);
        await doorbell.ring(ringOf('later'));
        await pausing.key('later');
        expect([pausing.keys, other.keys]).toEqual([['held', 'later'], ['passing']]);
      });

      it('waits for whoever answers later, in another process too', async () => {
        await doorbell.ring(ringOf('early'));
        const heard = await listen(undefined, { on: (await another()).doorbell });
        await heard.key('early');
      });

      it('with a key that was rung before is the same ring', async () => {
        const heard = await listen();
        for (const key of ['a', 'a', 'b']) await doorbell.ring(ringOf(key));
        await heard.key('b');
        await doorbell.ring(ringOf('a'));
        await doorbell.ring(ringOf('c'));
        await heard.key('c');
        expect(heard.keys).toEqual(['a', 'b', 'c']);
      });

      it('with a new key is answered even while an older ring for the same run still is', async () => {
        const gate = Promise.withResolvers<void>();
        const heard = await listen((ring) => (ring.key === 'older' ? gate.promise : Promise.resolve()), {
          concurrency: 2,
        });
        await doorbell.ring(ringOf('older'));
        await heard.key('older');
        await doorbell.ring(ringOf('newer'));
        await heard.key('newer');
        gate.resolve();
      });

      it('with a delay is not answered before its time, and holds up no other', async () => {
        const heard = await listen();
        const rungAt = Date.now();
        await doorbell.ring(ringOf('later', { delayMs: 400 }));
        await doorbell.ring(ringOf('now'));
        await heard.key('later');
        expect(Date.now() - rungAt).toBeGreaterThanOrEqual(400);
        expect(heard.keys).toEqual(['now', 'later']);
      });

      it('wakes a worker that has been idle for longer than it looks', async () => {
        const heard = await listen();
        await doorbell.ring(ringOf('first'));
        await heard.key('first');
        // Another bell tells when five and a half seconds of silence are over.
        const clock = await listen(undefined, { bell: 'calls' });
        await doorbell.ring(ringOf('silence', { bell: 'calls', delayMs: 5500 }));
        await clock.key('silence');
        await doorbell.ring(ringOf('second'));
        await heard.key('second');
      });
    });

    describe('answer', () => {
      it('reaches its concurrency and never exceeds it', async () => {
        const full = Promise.withResolvers<void>();
        let active = 0;
        let most = 0;
        const work = async (): Promise<void> => {
          active += 1;
          most = Math.max(most, active);
          if (active === 3) full.resolve();
          await full.promise;
          await setImmediate();
          active -= 1;
        };
        const heard = await listen(work, { concurrency: 3 });
        for (let i = 0; i < 9; i++) await doorbell.ring(ringOf(`k${i}`));
        await heard.key('k8');
        expect(most).toBe(3);
      });

      it('goes on with other rings after one has failed', async () => {
        const heard = await listen(async ({ key }) => {
          if (key === 'bad') throw new Error('this answer fails on purpose');
        });
        await doorbell.ring(ringOf('bad'));
        await doorbell.ring(ringOf('good'));
        await heard.key('good');
        expect(heard.keys).toEqual(['bad', 'good']);
      });

      it('is given to another worker when the first vanished in the middle of it', async () => {
        const doomed = await another();
        const never = Promise.withResolvers<void>();
        const first = await listen(() => never.promise, { on: doomed.doorbell, lockMs: 500 });
        await doorbell.ring(ringOf('orphan', { runId: 'run-7' }));
        await first.key('orphan');
        await doomed.vanish();
        const second = await listen(undefined, { lockMs: 500 });
        await second.key('orphan');
        expect(second.rings).toEqual(first.rings);
        never.resolve();
      });

      it('keeps its ring for longer than the lock while its worker lives', async () => {
        const gate = Promise.withResolvers<void>();
        const slow = await listen(() => gate.promise, { lockMs: 500 });
        await doorbell.ring(ringOf('slow'));
        await slow.key('slow');
        const other = await listen(undefined, { on: (await another()).doorbell, lockMs: 500 });
        // Several looks for lost rings happen before this one is due.
        await doorbell.ring(ringOf('much-later', { delayMs: 1800 }));
        await other.key('much-later');
        expect(other.keys).toEqual(['much-later']);
        gate.resolve();
      });
    });

    describe('withdraw', () => {
      it('takes back a ring that nobody answers yet, delayed or not', async () => {
        await doorbell.ring(ringOf('a'));
        await doorbell.ring(ringOf('b', { delayMs: 1 }));
        await doorbell.withdraw('runs', 'a');
        await doorbell.withdraw('runs', 'b');
        const heard = await listen();
        await doorbell.ring(ringOf('last', { delayMs: 200 }));
        await heard.key('last');
        expect(heard.keys).toEqual(['last']);
      });

      it('leaves a ring that is being answered, and minds no unknown one', async () => {
        const gate = Promise.withResolvers<void>();
        const heard = await listen(() => gate.promise);
        await doorbell.ring(ringOf('busy'));
        await heard.key('busy');
        await doorbell.withdraw('runs', 'busy');
        await doorbell.withdraw('runs', 'never-rung');
        gate.resolve();
        await doorbell.ring(ringOf('next'));
        await heard.key('next');
      });
    });

    describe('close', () => {
      it('of an answering waits for what is being answered, and takes nothing more', async () => {
        const gate = Promise.withResolvers<void>();
        const order: string[] = [];
        const heard = await listen(async () => {
          await gate.promise;
          order.push('answered');
        });
        await doorbell.ring(ringOf('held'));
        await heard.key('held');
        const closed = heard.answering.close().then(() => order.push('closed'));
        await doorbell.ring(ringOf('for-others'));
        gate.resolve();
        await closed;
        expect(order).toEqual(['answered', 'closed']);
        const other = await listen();
        await other.key('for-others');
        expect(heard.keys).toEqual(['held']);
      });

      it('of an answering fires the signals of its answers when they take too long', async () => {
        let reason: unknown;
        const untilStopped = async (_ring: Ring, signal: AbortSignal): Promise<void> => {
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
          reason = signal.reason;
        };
        const heard = await listen(untilStopped);
        await doorbell.ring(ringOf('endless'));
        await heard.key('endless');
        await heard.answering.close({ abortAfterMs: 1 });
        expect(reason).toBe('closing');
      });

      it('of the doorbell stops every answering, and may come twice', async () => {
        const heard = await listen(
          (_ring, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
        );
        await doorbell.ring(ringOf('endless'));
        await heard.key('endless');
        await doorbell.close();
        await doorbell.close();
      });

      it('is final: whoever rings or answers afterwards is refused', async () => {
        await doorbell.ring(ringOf('before'));
        await doorbell.close();
        await expect(doorbell.ring(ringOf('after'))).rejects.toThrow(/closed/);
        await expect(doorbell.withdraw('runs', 'before')).rejects.toThrow(/closed/);
        await expect(doorbell.answer('runs', async () => undefined, { concurrency: 1 })).rejects.toThrow(/closed/);
      });
    });
  });
}
