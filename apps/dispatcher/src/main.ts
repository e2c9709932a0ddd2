import { serve } from '#platform';
import { fleetSettings, openFleet, storesOf } from '#runs';
import { Dispatcher } from './dispatcher.ts';

/** Longest time between two looks at the backlog. */
const everyMs = 1_000;

await serve('dispatcher', process, async ({ config, logger, workerId, keep }) => {
  const { runs } = keep(await openFleet(storesOf(config), fleetSettings(config.ARGOSY_LEASE_MS)));
  const dispatcher = new Dispatcher(runs, { workerId, everyMs }, logger);
  dispatcher.start();
  return dispatcher;
});
