import { serve } from '#platform';
import { fleetSettings, openFleet } from '#runs';
import { Dispatcher } from './dispatcher.ts';

/** Longest time between two looks at the backlog. */
const everyMs = 1_000;

await serve('dispatcher', process, async ({ config, logger, workerId, keep }) => {
  const { ARGOSY_DATABASE_URL: databaseUrl, ARGOSY_REDIS_URL: redisUrl } = config;
  const { runs } = keep(await openFleet({ databaseUrl, redisUrl }, fleetSettings(config.ARGOSY_LEASE_MS)));
  const dispatcher = new Dispatcher(runs, { workerId, everyMs }, logger);
  dispatcher.start();
  return dispatcher;
});
