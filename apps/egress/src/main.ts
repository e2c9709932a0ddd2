import { EgressProxy, parseAllow, parseDeny } from '#egress';
import { serveAlone } from '#platform';
import { recording } from './record.ts';

await serveAlone(
  'egress',
  process,
  async ({ config, logger }) => {
    const address = { host: config.ARGOSY_HOST, port: config.ARGOSY_PORT };
    const rules = { allow: parseAllow(config.ARGOSY_EGRESS_ALLOW), deny: parseDeny(config.ARGOSY_EGRESS_DENY) };
    const proxy = await EgressProxy.start({ ...address, ...rules, onExchange: recording(logger) });
    logger.log('info', 'proxy listens', { port: Number(new URL(proxy.url).port) });
    return { stop: async (graceMs) => await proxy.close(graceMs) };
  },
  { checks: { ARGOSY_EGRESS_ALLOW: parseAllow, ARGOSY_EGRESS_DENY: parseDeny } },
);
