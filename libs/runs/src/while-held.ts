import { setTimeout as sleep } from 'node:timers/promises';

/** The lease under which something is written, and how long to wait between two tries. */
interface Hold {
  /** Fires when the lease was lost: others take over, and there is nothing to write any more. */
  readonly lost: AbortSignal;
  readonly pollMs: number;
}

/**
 * Repeats a write that fails until it succeeds or the lease is lost.
 * @param passes says of a fault whether it may pass; one that may not is thrown
 */
export async function whileHeld(
  { lost, pollMs }: Hold,
  write: () => Promise<void>,
  passes: (fault: unknown) => boolean = () => true,
): Promise<void> {
  while (!lost.aborted) {
    try {
      await write();
      return;
    } catch (fault) {
      if (!passes(fault)) throw fault;
      await sleep(pollMs, undefined, { signal: lost }).catch(() => undefined);
    }
  }
}
