import { configuredModels, parseModelSpec } from '#model';
import { serve } from '#platform';
import { fleetSettings, openFleet, storesOf } from '#runs';
import { parseProviders, toolSignatures } from '#tools';
import { AgentWorker } from './agent-worker.ts';

await serve(
  'agent-worker',
  process,
  async ({ config, logger, workerId, keep }) => {
    const { runs, sessions } = keep(await openFleet(storesOf(config), fleetSettings(config.ARGOSY_LEASE_MS)));
    const { byName: models } = await configuredModels(config, null, { sessions, logger });
    const tools = toolSignatures(parseProviders(config.ARGOSY_SEARCH_PROVIDERS ?? '').map(({ name }) => name));
    const around = { runs, models, tools, now: () => performance.now() };
    return await AgentWorker.start(around, { workerId, concurrency: config.ARGOSY_AGENT_CONCURRENCY }, logger);
  },
  { checks: { ARGOSY_MODEL: parseModelSpec, ARGOSY_SEARCH_PROVIDERS: parseProviders } },
);
