import type { Runs } from '#runs';

/**
 * Does a dispatcher's work at a steady pace, one look after the other.
 * @returns ends it, and waits for the look under way: its stores may be closed next
 */
export function keepLooking(runs: Pick<Runs, 'reconcile' | 'dispatch'>, everyMs: number): () => Promise<void> {
  let looking: Promise<unknown> | null = null;
  const timer = setInterval(() => {
    looking ??= runs
      .reconcile()
      .then(() => runs.dispatch())
      .finally(() => {
        looking = null;
      });
  }, everyMs);
  return async () => {
    clearInterval(timer);
    await looking;
  };
}
