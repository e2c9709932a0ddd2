import { join } from 'node:path';
import { parseAllow, parseDeny } from '#egress';
import { configuredModels, pageReader, parseModelSpec } from '#model';
import { serve } from '#platform';
import { fleetSettings, openFleet } from '#runs';
import { Corpora, openToolbox, parseBrowser, parseProviders, searchProviders, wayOut } from '#tools';
import { ToolWorker } from './tool-worker.ts';

await serve(
  'tool-worker',
  process,
  async ({ config, logger, workerId, keep }) => {
    const { ARGOSY_DATABASE_URL: databaseUrl, ARGOSY_REDIS_URL: redisUrl } = config;
    const settings = fleetSettings(config.ARGOSY_LEASE_MS);
    const { runs, pace, evidence } = keep(await openFleet({ databaseUrl, redisUrl }, settings, logger));
    const corpora = keep(await Corpora.open(join(config.ARGOSY_DATA_DIR, 'corpora'), { segments: runs.corpora }));
    const { byName: models } = await configuredModels(config, null, { logger });
    const providers = searchProviders(config);
    const { tools } = keep(
      openToolbox({ corpora, out: wayOut(config), pace, evidence, providers, reader: pageReader(models), logger }),
    );
    const options = { workerId, concurrency: config.ARGOSY_TOOL_CONCURRENCY, corpora };
    return await ToolWorker.start(runs, tools, options, logger);
  },
  {
    checks: {
      ARGOSY_EGRESS_ALLOW: parseAllow,
      ARGOSY_EGRESS_DENY: parseDeny,
      ARGOSY_BROWSER: parseBrowser,
      ARGOSY_MODEL: parseModelSpec,
      ARGOSY_SEARCH_PROVIDERS: parseProviders,
    },
  },
);
