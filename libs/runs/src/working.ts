import { setTimeout as sleep } from 'node:timers/promises';
import type { Answering } from './doorbell/doorbell.ts';
import type { Membership } from './membership.ts';

/** How a worker takes part in the fleet. */
export interface Taking {
  /** A new membership under an id that no earlier one had. @throws Unavailable */
  readonly join: () => Promise<Membership>;
  /** Begins to answer rings as that member. `leaving` fires when work is to be handed back at the next step boundary. */
  readonly answer: (member: Membership, leaving: AbortSignal) => Promise<readonly Answering[]>;
  /** Told of a lost lease, and of every attempt to join again that failed. */
  readonly onLost: (reason: unknown) => void;
}

/** Share of the time to leave after which what is still in a step is stopped in the middle. */
const patience = 0.8;

/** Least time for handing back what was stopped. */
const handBackMs = 5_000;

/** How long a lease may take to be given up; it runs out by itself, too. */
const endMs = 2_000;

/** How long a lost membership waits for its answers, which Redis may hold up, before the next one begins. */
const lostMs = 5_000;

interface Entered {
  readonly member: Membership;
  readonly answering: readonly Answering[];
}

/**
 * A worker at work: it joins, answers rings, and joins again whenever its lease was lost, so that an outage of the
 * stores ends with it working and not as a process that only looks alive. While an autoscaler has it drain, it takes no
 * rings and goes on with what it has.
 */
export class Working {
  readonly #taking: Taking;
  readonly #leaving: AbortController;
  readonly #watching: Promise<void>;
  #entered: Entered;

  private constructor(taking: Taking, leaving: AbortController, entered: Entered) {
    this.#taking = taking;
    this.#leaving = leaving;
    this.#entered = entered;
    this.#watching = this.#watch();
  }

  /** @throws Unavailable when the stores cannot be reached */
  static async begin(taking: Taking): Promise<Working> {
    const leaving = new AbortController();
    return new Working(taking, leaving, await enter(taking, leaving.signal));
  }

  /**
   * Leaves: takes nothing new at once, lets steps end for 80 % of `graceMs`, stops what is left in the middle, and gives
   * up the lease. Everything unfinished is handed back; what cannot be, because the stores are away, is left to them.
   */
  async stop(graceMs: number): Promise<void> {
    this.#leaving.abort();
    await this.#watching;
    const stepsMs = patience * graceMs;
    const limitMs = stepsMs + Math.max(graceMs - stepsMs, handBackMs);
    const { member, answering } = this.#entered;
    const retiring = member.retire();
    await within(limitMs, closeAll(answering, stepsMs));
    await within(
      endMs,
      retiring.then(() => endLease(member)),
    );
  }

  /** Joins again after each loss, until the worker leaves. */
  async #watch(): Promise<void> {
    while (await this.#isLost()) {
      const { member, answering } = this.#entered;
      this.#taking.onLost(member.lost.reason);
      await within(lostMs, closeAll(answering, 0));
      await this.#enterAgain();
    }
  }

  /** @returns false when the worker leaves first */
  async #isLost(): Promise<boolean> {
    const { signal } = this.#leaving;
    const first = AbortSignal.any([signal, this.#entered.member.lost]);
    if (!first.aborted) await new Promise((resolve) => first.addEventListener('abort', resolve, { once: true }));
    return !signal.aborted;
  }

  async #enterAgain(): Promise<void> {
    const { signal } = this.#leaving;
    for (let pauseMs = 500; !signal.aborted; pauseMs = Math.min(2 * pauseMs, 10_000)) {
      try {
        this.#entered = await enter(this.#taking, signal);
        return;
      } catch (error) {
        this.#taking.onLost(error);
        await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }
}

async function enter({ join, answer }: Taking, leaving: AbortSignal): Promise<Entered> {
  const member = await join();
  try {
    const answering = await answer(member, leaving);
    member.onDrain((drains) => {
      for (const one of answering) one.pause(drains);
    });
    return { member, answering };
  } catch (error) {
    await endLease(member);
    throw error;
  }
}

/** One that cannot be ended runs out by itself. */
async function endLease(member: Membership): Promise<void> {
  await member.end().catch(() => undefined);
}

/** Waits for some work, but no longer than so long. */
async function within(limitMs: number, work: Promise<void>): Promise<void> {
  const done = new AbortController();
  const limit = sleep(limitMs, undefined, { signal: done.signal }).catch(() => undefined);
  await Promise.race([work, limit]).finally(() => done.abort());
}

async function closeAll(answering: readonly Answering[], abortAfterMs: number): Promise<void> {
  await Promise.all(answering.map((one) => one.close({ abortAfterMs })));
}
