/** A second Ctrl-C this soon after the first is the same key press, arriving by another way. */
const debounceMs = 500;

/**
 * From now on Ctrl-C, SIGTERM and SIGHUP ask this process to stop, and the second of them insists.
 * @param {() => void} insist
 * @returns {AbortSignal} fires at the first
 */
export function interrupts(insist) {
  const asked = new AbortController();
  let askedAt = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      const now = performance.now();
      if (!asked.signal.aborted) {
        askedAt = now;
        asked.abort();
      } else if (now - askedAt > debounceMs) insist();
    });
  }
  return asked.signal;
}
