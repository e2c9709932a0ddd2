import { parseAllow, parseDeny } from '#egress';
import { InvalidInput, type Problem } from '#errors';
import { parseModelSpec } from '#model';
import { type Config, readConfig } from '#platform';
import { parseLimits, parsePepper, secretsKeyOf } from '#runs';
import { parseBrowser, parseOwnKeys, parseProviders, parseTools } from '#tools';
import type { RemoteServer } from './connection.ts';

/** What the environment says. */
interface Settings {
  readonly config: Config;
  readonly remote: RemoteServer | null;
}

/**
 * Reads the whole environment at once, also the values whose form only other libs know.
 * @throws InvalidInput listing everything that is wrong
 */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const { ARGOSY_URL, ARGOSY_API_KEY, ...rest } = env;
  const problems: Problem[] = [];
  const config = collect(problems, () =>
    readConfig(rest, {
      ARGOSY_EGRESS_ALLOW: parseAllow,
      ARGOSY_EGRESS_DENY: parseDeny,
      ARGOSY_KEY_PEPPER: parsePepper,
      ARGOSY_LIMITS: parseLimits,
      ARGOSY_SECRETS_KEY: secretsKeyOf,
      ARGOSY_MODEL: parseModelSpec,
      ARGOSY_BROWSER: parseBrowser,
      ARGOSY_TOOLS: parseTools,
      ARGOSY_SEARCH_PROVIDERS: parseProviders,
      ARGOSY_OWN_KEYS: parseOwnKeys,
    }),
  );
  if (ARGOSY_URL && !/^https?:$/.test(URL.parse(ARGOSY_URL)?.protocol ?? '')) {
    problems.push({ path: 'ARGOSY_URL', message: 'needs the http:// or https:// address of a server' });
  }
  if (config === null || problems.length > 0) throw new InvalidInput(problems);
  if (!ARGOSY_URL) return { config, remote: null };
  return { config, remote: { url: ARGOSY_URL, ...(ARGOSY_API_KEY ? { apiKey: ARGOSY_API_KEY } : {}) } };
}

/** Adds what a reader complains about to the problems. */
function collect<T>(problems: Problem[], read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    problems.push(...error.problems);
    return null;
  }
}
