/** What a process may reach: the web for runs, search providers, models. */
import { readFile } from 'node:fs/promises';
import { Egress, EgressBlocked, parseAllow, parseDeny } from '#egress';
import { messageOf } from '#errors';
import { Issuer, oidcOf } from '#gateway';
import { inspectModel, parseModelSpec } from '#model';
import type { Config } from '#platform';
import type { SearchProvider } from '#tools';
import { ownProviders } from '../providers.ts';
import { type Check, type Finding, fail, ok, warn } from './finding.ts';

export function networkChecks(config: Config): Check[] {
  return [
    { about: 'egress', look: async (signal) => await egressFindings(config, signal) },
    { about: 'providers', look: async (signal) => await providerFindings(config, signal) },
    { about: 'model', look: async (signal) => await modelFindings(config, signal) },
    { about: 'login', look: async () => await loginFindings(config) },
  ];
}

/** Must not be reached for a run: this machine, and where clouds keep the secrets of their machines. */
const forbidden = ['http://127.0.0.1/', 'http://169.254.169.254/'];

/** Fetches as for a run. @throws what comes between */
async function withEgress<T>(config: Config, use: (egress: Egress) => Promise<T>): Promise<T> {
  const { ARGOSY_EGRESS_ALLOW: allow, ARGOSY_EGRESS_DENY: deny, ARGOSY_EGRESS_URL: via } = config;
  const rules = { allow: parseAllow(allow), deny: parseDeny(deny), via };
  const egress = new Egress({ ...rules, userAgent: 'argosy-doctor' });
  try {
    return await use(egress);
  } finally {
    await egress.close();
  }
}

async function egressFindings(config: Config, signal: AbortSignal): Promise<Finding[]> {
  return await withEgress(config, async (egress) => {
    const tried = await Promise.all(forbidden.map((url) => refusalOf(egress, url, signal)));
    return [...tried, ...(await proxyFindings(config, signal))];
  });
}

async function refusalOf(egress: Egress, url: string, signal: AbortSignal): Promise<Finding> {
  const advice = 'Take it out of ARGOSY_EGRESS_ALLOW unless every run may read what is there.';
  try {
    const { status } = await egress.fetch(url, { signal });
    return fail('egress', `${url} was fetched (${status})`, advice);
  } catch (error) {
    if (error instanceof EgressBlocked) return ok('egress', `refuses ${url}`);
    return fail('egress', `${url} is not refused: ${messageOf(error)}`, advice);
  }
}

async function proxyFindings({ ARGOSY_EGRESS_URL: via }: Config, signal: AbortSignal): Promise<Finding[]> {
  if (via === undefined) return [];
  try {
    // Whatever it answers to what is no request of a proxy: it is there.
    const { status } = await fetch(via, { signal, redirect: 'manual' });
    return [ok('egress proxy', `answers at ${via} (${status})`)];
  } catch (error) {
    const { cause } = error as { readonly cause?: unknown };
    const says = `does not answer at ${via}: ${messageOf(cause ?? error)}`;
    return [fail('egress proxy', says, 'Start argosy-egress there, or correct ARGOSY_EGRESS_URL.')];
  }
}

async function providerFindings(config: Config, signal: AbortSignal): Promise<Finding[]> {
  const providers = ownProviders(config);
  if (providers.length === 0) {
    const advice = 'Name some in ARGOSY_SEARCH_PROVIDERS, or let runs read documents and named pages only.';
    return [warn('providers', 'none: no run searches the web', advice)];
  }
  return await withEgress(config, async (egress) => {
    return await Promise.all(providers.map((provider) => providerFinding(provider, egress, signal)));
  });
}

/** Less than the time of the whole look: one that is silent is worth a warning, and does not hide the others. */
const providerMs = 4_000;

/** Asks its host for its first page and sends no query and no key. */
async function providerFinding({ name, hosts }: SearchProvider, egress: Egress, signal: AbortSignal): Promise<Finding> {
  const host = (hosts[0] ?? '').replace(/^\*\./, 'en.');
  const about = `provider ${name}`;
  try {
    const patience = AbortSignal.timeout(providerMs);
    const { status } = await egress.fetch(`https://${host}/`, { signal: AbortSignal.any([signal, patience]) });
    return ok(about, `${host} answers (${status})`);
  } catch (error) {
    const advice =
      'Runs go on without it. Open the way out of this machine, or leave it out of ARGOSY_SEARCH_PROVIDERS.';
    return warn(about, messageOf(error), advice);
  }
}

async function modelFindings(config: Config, signal: AbortSignal): Promise<Finding[]> {
  const { ARGOSY_MODEL: named, ARGOSY_MODEL_API_KEY: apiKey, ARGOSY_MODEL_CONTEXT_TOKENS: contextTokens } = config;
  const spec = parseModelSpec(named ?? 'extractive');
  if (spec.kind === 'extractive') {
    return [
      ok('model', `extractive: no language model writes${named === undefined ? ' (ARGOSY_MODEL is not set)' : ''}`),
    ];
  }
  const servers = await inspectModel(spec, { apiKey, contextTokens, tls: await tlsOf(config) }, signal);
  return servers.map(({ where, serves, fault }) => {
    const says = `${where}: ${serves ?? 'no answer'}`;
    return fault === null ? ok('model', says) : fail('model', says, fault);
  });
}

/** @throws InvalidInput where its settings do not go together */
async function loginFindings(config: Config): Promise<Finding[]> {
  const oidc = oidcOf(config);
  if (oidc === null) return [];
  try {
    await new Issuer(oidc).find();
  } catch (error) {
    const advice =
      'People cannot log in to the console; keys go on. Correct ARGOSY_OIDC_ISSUER, or open the way to it.';
    return [fail('login', messageOf(error), advice)];
  }
  const come = `register ${oidc.redirectUri} there as where browsers come back to`;
  return [ok('login', `${oidc.name} answers at ${oidc.issuer.href}; ${come}`)];
}

async function tlsOf(config: Config) {
  const files = [config.ARGOSY_MODEL_TLS_CA_FILE, config.ARGOSY_MODEL_TLS_CERT_FILE, config.ARGOSY_MODEL_TLS_KEY_FILE];
  if (files.every((file) => file === undefined)) return null;
  const [ca = null, cert = null, key = null] = await Promise.all(
    files.map(async (file) => (file === undefined ? null : await readFile(file))),
  );
  return { ca, cert, key };
}
