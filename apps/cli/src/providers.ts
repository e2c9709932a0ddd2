import type { Config } from '#platform';
import { embeddedProviders, type SearchProvider, searchProviders } from '#tools';

/**
 * The search providers of a process of one's own: those that are set, else each that has its key or needs none.
 * @throws InvalidInput naming each key that is missing
 */
export function ownProviders(config: Config): readonly SearchProvider[] {
  const { ARGOSY_SEARCH_PROVIDERS = embeddedProviders(config) } = config;
  return searchProviders({ ...config, ARGOSY_SEARCH_PROVIDERS });
}
