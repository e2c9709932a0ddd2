import { provideChromium } from '../../scripts/servers/chromium.mjs';
import { provideHelm } from '../../scripts/servers/helm.mjs';
import { providePoppler } from '../../scripts/servers/poppler.mjs';
import { startServers } from '../../scripts/servers/servers.mjs';
import { provideEmptyCluster } from './empty-cluster.mjs';

/**
 * Before the integration tests: the Redis and the PostgreSQL that they share (about 1.5 s), Chromium, helm, Poppler,
 * an empty PGlite.
 */
// biome-ignore lint/style/noDefaultExport: jest asks for it
export default async function up() {
  await provideChromium();
  await provideHelm();
  await providePoppler();
  const servers = await startServers({ tests: true });
  // The workers of jest are started later and inherit them. Not ARGOSY_...: what the tests start is to begin without.
  process.env.INTEGRATION_REDIS_URL = servers.redisUrl;
  process.env.INTEGRATION_DATABASE_URL = servers.databaseUrl;
  process.env.INTEGRATION_EMPTY_CLUSTER = await provideEmptyCluster();
  globalThis.integrationServers = servers;
}
