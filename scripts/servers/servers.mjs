/** Redis and PostgreSQL for the fleet on one machine and for tests: those of the environment, else private ones. */
import { startPostgres } from './postgres.mjs';
import { startRedis } from './redis.mjs';

export { haveServers } from './programs.mjs';
export { startPostgres, startRedis };

/** @typedef {import('./private-server.mjs').PrivateServer} PrivateServer */

/**
 * @param {{ tests?: boolean, connections?: number }} [options] `tests`: data need not outlive a power cut;
 *   `connections`: most at once to a PostgreSQL that is ours
 * @returns {Promise<{ redisUrl: string, databaseUrl: string, started: PrivateServer[], stop(): Promise<void> }>}
 *   `started`: those that are ours; `stop` ends them
 */
export async function startServers(options = {}) {
  const started = [];
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()));
  };
  const own = async (starting) => {
    const server = await starting;
    started.push(server);
    return server.url;
  };
  try {
    // One after the other: both may have to be installed.
    const redisUrl = process.env.ARGOSY_REDIS_URL || (await own(startRedis()));
    const databaseUrl = process.env.ARGOSY_DATABASE_URL || (await own(startPostgres(options)));
    return { redisUrl, databaseUrl, started, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
