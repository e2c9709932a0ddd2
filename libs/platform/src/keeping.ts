import { setTimeout as pause } from 'node:timers/promises';
import { DeadlineExceeded } from '#errors';

/** Something that a role works with for as long as it runs. */
export interface Kept {
  /** What an operator should know and mend; logged once. */
  readonly warnings?: readonly string[];
  /** Asks the database whether it answers. @throws what is wrong with it */
  check?(): Promise<void>;
  close(): Promise<void>;
}

export interface WatchTimes {
  /** Time between two looks. */
  readonly lookEveryMs: number;
  /** The longest that one may take. */
  readonly lookMs: number;
}

/** A role that has started and everything that is to be closed after it. */
export class Keeping {
  readonly #kept: Kept[] = [];
  role: { stop(graceMs: number): Promise<void> } | null = null;

  keep<T extends Kept>(resource: T): T {
    this.#kept.push(resource);
    return resource;
  }

  /** Looks after what is kept until the signal fires. @param tell is told what is wrong, or null, after each look */
  async watch(signal: AbortSignal, times: WatchTimes, tell: (fault: unknown) => void): Promise<void> {
    while (!signal.aborted) {
      await pause(times.lookEveryMs, undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) tell(await this.#fault(signal, times));
    }
  }

  /**
   * Stops the role, then closes what it used, the last one first; all of it, whatever fails. What a role has handed back
   * is safe: a close that hangs, because Redis is away say, holds up the end for `closeMs` and no longer.
   * @throws the first fault
   */
  async stop(graceMs: number, closeMs: number): Promise<void> {
    const faults: unknown[] = [];
    const attempt = async (step: () => Promise<void> | undefined): Promise<void> => {
      try {
        await step();
      } catch (error) {
        faults.push(error);
      }
    };
    const closeAll = async (): Promise<void> => {
      for (const resource of this.#kept.splice(0).reverse()) await attempt(() => resource.close());
    };
    await attempt(() => this.role?.stop(graceMs));
    const done = new AbortController();
    const late = pause(closeMs, undefined, { signal: done.signal }).catch(() => undefined);
    await Promise.race([closeAll(), late]);
    done.abort();
    if (faults.length > 0) throw faults[0];
  }

  async #fault(signal: AbortSignal, { lookMs }: WatchTimes): Promise<unknown> {
    const done = new AbortController();
    const late = pause(lookMs, null, { signal: AbortSignal.any([signal, done.signal]) }).then(
      () => new DeadlineExceeded('The database', lookMs),
      () => null,
    );
    const looks = Promise.all(this.#kept.map((resource) => resource.check?.())).then(
      () => null,
      (error: unknown) => error,
    );
    try {
      return await Promise.race([looks, late]);
    } finally {
      done.abort();
    }
  }
}
