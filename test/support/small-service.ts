/** A process of a fleet in small: its one argument says how it behaves. Needs no stores; what it says are its logs. */
import { serve } from '#platform';

export type Behaviour = 'ends' | 'never ends' | 'rejects';

async function main(behaviour: string): Promise<void> {
  await serve('small', process, async ({ logger, keep }) => {
    keep({ close: async () => logger.log('info', 'store closed') });
    if (behaviour === 'rejects') setImmediate(() => void Promise.reject(new TypeError('nobody heard')));
    const stop = async (graceMs: number): Promise<void> => {
      logger.log('info', 'stopping', { graceMs });
      // Until a request comes, so that a test can look at a process that drains.
      await new Promise<void>((resolve) => {
        if (behaviour === 'ends') process.once('SIGUSR2', resolve);
      });
    };
    return { stop };
  });
}

// Imported, it only lends its words.
if (process.argv[1] === import.meta.filename) await main(process.argv[2] ?? '');
