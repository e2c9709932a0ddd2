import type { ProviderQuery } from './provider.ts';

/** More operators than this make engines refuse a query. */
const MOST_SITES = 8;

/**
 * A query with the `site:` operators that web engines know, so that what is found is not all thrown away afterwards; as it
 * is where they would make it longer than `longest` characters.
 */
export function withSites({ query, allowDomains, denyDomains }: Sites, longest: number): string {
  const allow = allowDomains.slice(0, MOST_SITES).map((domain) => `site:${bare(domain)}`);
  const deny = denyDomains.slice(0, MOST_SITES - allow.length).map((domain) => `-site:${bare(domain)}`);
  const within = allow.length > 1 ? `(${allow.join(' OR ')})` : allow.join('');
  const whole = [query, within, ...deny].filter((part) => part !== '').join(' ');
  return whole.length <= longest ? whole : query;
}

type Sites = Pick<ProviderQuery, 'query' | 'allowDomains' | 'denyDomains'>;

/** Policies may write `*.example.org` for what is `example.org` to engines. */
export function bare(domain: string): string {
  return domain.toLowerCase().replace(/^\*?\./, '');
}
