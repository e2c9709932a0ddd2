import { configuredGroups, configuredModels, parseModelSpec } from '#model';
import { openSigningKey, serve } from '#platform';
import { fleetSettings, openFleet, parseLimits, parsePepper, secretsKeyOf, storesOf } from '#runs';
import { parseProviders, secretNames } from '#tools';
import { toolPrices } from './acceptance.ts';
import { Gateway } from './gateway.ts';
import { Logins } from './login/logins.ts';
import { oidcOf } from './login/oidc-settings.ts';

const withoutFiles = {
  ARGOSY_MODEL_TOKENIZER: undefined,
  ARGOSY_MODEL_TLS_CA_FILE: undefined,
  ARGOSY_MODEL_TLS_CERT_FILE: undefined,
  ARGOSY_MODEL_TLS_KEY_FILE: undefined,
};

await serve(
  'gateway',
  process,
  async ({ config, logger, health, keep, takePort }) => {
    // A gateway says which models there are and asks them for no reply: it has no key and counts no tokens.
    const { offered, defaultName } = await configuredModels({ ...config, ...withoutFiles });
    const oidc = oidcOf(config);
    const groups = keep(await configuredGroups(config));
    const signingKey = await openSigningKey(config);
    const fleet = keep(
      await openFleet({ ...storesOf(config), role: 'argosy_gateway' }, fleetSettings(config.ARGOSY_LEASE_MS)),
    );
    const { runs, rates } = fleet;
    const offer = {
      models: offered,
      defaultModel: defaultName,
      providers: parseProviders(config.ARGOSY_SEARCH_PROVIDERS ?? '').map(({ name }) => name),
      knowsCorpus: () => false,
      readsPages: config.ARGOSY_READING === 'model',
      ...toolPrices(config.ARGOSY_TOOL_PRICES),
    };
    const { ARGOSY_KEY_PEPPER: pepper, ARGOSY_KEY_ENV: env } = config;
    // Without keys there is one tenant, for callers on this machine.
    const keys = pepper === undefined ? null : keep(runs.keys({ pepper: parsePepper(pepper), env }));
    const logins = keys === null || oidc === null ? {} : { logins: new Logins(oidc, keys) };
    const allowance = { rates, limits: parseLimits(config.ARGOSY_LIMITS) };
    const wrapping = secretsKeyOf(config.ARGOSY_SECRETS_KEY);
    const secrets = { store: keep(fleet.secrets({ wrapping })), names: secretNames };
    const address = { host: config.ARGOSY_HOST, port: await takePort(), tenantId: 'local', signingKey, health };
    return await Gateway.start(
      runs,
      offer,
      { ...address, secrets, groups, ...(keys === null ? {} : { keys, allowance, ...logins }) },
      logger,
    );
  },
  {
    api: true,
    checks: {
      ARGOSY_MODEL: parseModelSpec,
      ARGOSY_SEARCH_PROVIDERS: parseProviders,
      ARGOSY_KEY_PEPPER: parsePepper,
      ARGOSY_LIMITS: parseLimits,
      ARGOSY_SECRETS_KEY: secretsKeyOf,
    },
  },
);
