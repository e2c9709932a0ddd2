import { join } from 'node:path';
import { parseAllow, parseDeny } from '#egress';
import { configuredModels, pageReader, parseModelSpec } from '#model';
import { serve } from '#platform';
import { fleetSettings, openFleet, secretsKeyOf, storesOf } from '#runs';
import {
  Corpora,
  openToolbox,
  parseBrowser,
  parseOwnKeys,
  parseProviders,
  parseTools,
  searchProviders,
  wayOut,
} from '#tools';
import { ToolWorker } from './tool-worker.ts';

await serve(
  'tool-worker',
  process,
  async ({ config, logger, workerId, keep }) => {
    const settings = fleetSettings(config.ARGOSY_LEASE_MS);
    const fleet = keep(await openFleet(storesOf(config), settings, logger));
    const { runs, pace, evidence } = fleet;
    const secrets = keep(fleet.secrets({ wrapping: secretsKeyOf(config.ARGOSY_SECRETS_KEY) }));
    const corpora = keep(await Corpora.open(join(config.ARGOSY_DATA_DIR, 'corpora'), { segments: runs.corpora }));
    const wanted = config.ARGOSY_TOOLS === undefined ? undefined : parseTools(config.ARGOSY_TOOLS);
    const visits = wanted === undefined || wanted.includes('visit') || wanted.includes('browser');
    // Models read the pages of visits, and nothing else.
    const reader = visits ? pageReader((await configuredModels(config, null, { logger })).byName) : null;
    const shared = { pace, evidence, secrets, providers: searchProviders(config), reader };
    const { tools, kinds } = keep(openToolbox({ corpora, out: wayOut(config), ...shared, logger, kinds: wanted }));
    const concurrency = config.ARGOSY_TOOL_CONCURRENCY;
    // Folders are read in where they are searched.
    const options = { workerId, concurrency, kinds, ...(kinds.includes('search') ? { corpora } : {}) };
    logger.log('info', 'offers', { kinds: kinds.join(',') });
    return await ToolWorker.start(runs, tools, options, logger);
  },
  {
    checks: {
      ARGOSY_EGRESS_ALLOW: parseAllow,
      ARGOSY_EGRESS_DENY: parseDeny,
      ARGOSY_BROWSER: parseBrowser,
      ARGOSY_TOOLS: parseTools,
      ARGOSY_MODEL: parseModelSpec,
      ARGOSY_SEARCH_PROVIDERS: parseProviders,
      ARGOSY_OWN_KEYS: parseOwnKeys,
      ARGOSY_SECRETS_KEY: secretsKeyOf,
    },
  },
);
