/** Starts what ends without being asked to. */
import { setTimeout as pause } from 'node:timers/promises';

/** @typedef {{ firstMs: number, mostMs: number, steadyMs: number }} BackOff `steadyMs`: alive so long, it starts anew */

/** @type {BackOff} */
const backOff = { firstMs: 1_000, mostMs: 30_000, steadyMs: 60_000 };

/**
 * How long to wait before the next start.
 * @param {number} lastMs the wait before the last start, 0 for none
 * @param {number} aliveMs how long the process then lived
 * @param {BackOff} limits
 */
function nextWait(lastMs, aliveMs, { firstMs, mostMs, steadyMs }) {
  return lastMs === 0 || aliveMs >= steadyMs ? firstMs : Math.min(2 * lastMs, mostMs);
}

/**
 * @typedef {object} Kept a process that can be started again
 * @property {string} name
 * @property {Promise<import('../servers/tied.mjs').Ending>} exited of the process that was started last
 * @property {() => Promise<void>} start
 * @property {boolean} [refused] it ended for a reason that starting it again does not change
 */

/**
 * Keeps one process alive, which has been started already.
 * @param {Kept} kept
 * @param {{ until: AbortSignal, tell: (line: string) => void, limits?: BackOff }} options
 *   `until`: from then on it may end
 */
export async function keepAlive(kept, { until, tell, limits = backOff }) {
  let waitMs = 0;
  let startedAt = performance.now();
  while (!until.aborted) {
    const ending = await kept.exited;
    if (until.aborted || kept.refused) return;
    waitMs = nextWait(waitMs, performance.now() - startedAt, limits);
    tell(`${kept.name} ${wordsFor(ending)}; it is started again in ${waitMs / 1000} s`);
    await pause(waitMs, undefined, { signal: until }).catch(() => undefined);
    if (until.aborted) return;
    startedAt = performance.now();
    // A start that fails is an end like any other.
    await kept.start().catch((error) => until.aborted || tell(error.message));
  }
}

/** @param {import('../servers/tied.mjs').Ending} ending */
export function wordsFor({ code, signal, error }) {
  if (error !== undefined) return `could not be started (${error.message})`;
  return signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
}
