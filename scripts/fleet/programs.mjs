import { freePort } from '../servers/private-server.mjs';
import { inRoot } from '../setup/paths.mjs';

/**
 * The processes of a fleet as containers start them.
 * @param {import('./options.mjs').Options} options
 * @param {{ redisUrl: string, databaseUrl: string }} stores
 * @param {{ pepper: string, secretsKey: string }} keys the pepper for gateways alone, the other for tool workers, too
 * @returns {Promise<{ url: string, programs: import('./role-process.mjs').Program[] }>} `url` of the first gateway
 */
export async function programsFor({ counts, port, host, dataDir }, stores, { pepper, secretsKey }) {
  const { ARGOSY_KEY_PEPPER, ARGOSY_SECRETS_KEY, ...inherited } = process.env;
  const env = {
    ...inherited,
    ARGOSY_REDIS_URL: stores.redisUrl,
    ARGOSY_DATABASE_URL: stores.databaseUrl,
    ARGOSY_DATA_DIR: dataDir,
  };
  const sealing = { ARGOSY_SECRETS_KEY: secretsKey };
  const firstPort = port || (await freePort());
  const gatewayPort = async (index) => (port === 0 && index > 0 ? freePort() : firstPort + index);
  const member = (name, app, more) => ({
    name,
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', inRoot('dist', 'apps', app, 'src', 'main.js')],
    env,
    host,
    port: { variable: 'ARGOSY_HEALTH_PORT', number: 0 },
    stage: 1,
    ...more,
  });
  const several = (count, make) => Array.from({ length: count }, (_, index) => make(index));
  const { egress, toolEnv } = await wayOut(env, host);
  const gateways = several(counts.gateways, async (index) =>
    member(`gateway-${index + 1}`, 'gateway', {
      env: { ...env, ...sealing, ARGOSY_KEY_PEPPER: pepper },
      port: { variable: 'ARGOSY_PORT', number: await gatewayPort(index) },
    }),
  );
  const programs = [
    ...(await Promise.all(gateways)),
    member('dispatcher-1', 'dispatcher'),
    ...several(counts.agents, (index) => member(`agent-${index + 1}`, 'agent-worker')),
    // Agent workers hand their runs back at the end of a step, and a step may wait for a tool call.
    ...several(counts.tools, (index) =>
      member(`tool-${index + 1}`, 'tool-worker', { stage: 2, env: { ...toolEnv, ...sealing } }),
    ),
    // The last, for the sake of pages that are being read.
    ...egress.map((more) => member('egress-1', 'egress', { stage: 3, ...more })),
  ];
  return { url: addressOf(host, firstPort), programs };
}

/** Whoever listens on every address is reached here on the loopback one. */
const reachable = (host) => ({ '0.0.0.0': '127.0.0.1', '::': '::1' })[host] ?? host;

const addressOf = (host, port) => {
  const name = reachable(host);
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
};

/**
 * The proxy that the tool workers go by: one of our own, on a port that it keeps when it is started again, or the one
 * that ARGOSY_EGRESS_URL names. Ours does not learn where the stores are.
 */
async function wayOut(env, host) {
  if (env.ARGOSY_EGRESS_URL) return { egress: [], toolEnv: env };
  const port = await freePort();
  const { ARGOSY_DATABASE_URL, ARGOSY_REDIS_URL, ...rest } = env;
  return {
    egress: [{ env: { ...rest, ARGOSY_PORT: String(port) } }],
    toolEnv: { ...env, ARGOSY_EGRESS_URL: addressOf(host, port) },
  };
}
