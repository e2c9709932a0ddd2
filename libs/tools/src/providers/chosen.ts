import { InvalidInput, type Problem } from '#errors';
import type { Config } from '#platform';
import { arxiv } from './arxiv.ts';
import { brave } from './brave.ts';
import { crossref } from './crossref.ts';
import { exa } from './exa.ts';
import { mediawiki } from './mediawiki.ts';
import { openalex } from './openalex.ts';
import type { SearchProvider } from './provider.ts';
import { searxng } from './searxng.ts';
import { serper } from './serper.ts';
import { tavily } from './tavily.ts';

type KeySetting = `ARGOSY_${'BRAVE' | 'TAVILY' | 'SERPER' | 'EXA' | 'OPENALEX'}_API_KEY`;

/** The settings that providers are made from. */
export type ProviderConfig = Pick<Config, 'ARGOSY_SEARCH_PROVIDERS' | 'ARGOSY_CONTACT' | KeySetting>;

/** How one provider comes about. */
interface Kind {
  readonly scholarly?: true;
  /** The setting of its key. */
  readonly key?: KeySetting;
  /** It can do without its key. */
  readonly keyless?: true;
  readonly needsAddress?: true;
  /** @param base its address, undefined for its own */
  make(config: ProviderConfig, base: string | undefined): SearchProvider;
}

/** All that are known, in the order in which an embedded process prefers them. */
const kinds: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['searxng', { needsAddress: true, make: (_, base) => searxng(base ?? '') }],
  keyed('brave', 'ARGOSY_BRAVE_API_KEY', brave),
  keyed('tavily', 'ARGOSY_TAVILY_API_KEY', tavily),
  keyed('serper', 'ARGOSY_SERPER_API_KEY', serper),
  keyed('exa', 'ARGOSY_EXA_API_KEY', exa),
  ['mediawiki', { make: (_, base) => mediawiki(base) }],
  [
    'openalex',
    {
      scholarly: true,
      key: 'ARGOSY_OPENALEX_API_KEY',
      keyless: true,
      make: (config, base) => openalex(config.ARGOSY_OPENALEX_API_KEY ?? null, base),
    },
  ],
  ['crossref', { scholarly: true, make: (config, base) => crossref(mailOf(config.ARGOSY_CONTACT), base) }],
  ['arxiv', { scholarly: true, make: (_, base) => arxiv(base) }],
]);

function keyed(name: string, key: KeySetting, make: (key: string, base?: string) => SearchProvider): [string, Kind] {
  return [name, { key, make: (config, base) => make(config[key] ?? '', base) }];
}

function mailOf(contact: string | undefined): string | null {
  return contact?.includes('@') ? contact.replace(/^mailto:/, '') : null;
}

/** One entry of `ARGOSY_SEARCH_PROVIDERS`. */
export interface NamedProvider {
  readonly name: string;
  /** Where it is, instead of its own address. */
  readonly base?: string;
}

/**
 * Reads `ARGOSY_SEARCH_PROVIDERS`: `name` or `name=address`, separated by commas, in the order in which those of the whole
 * web are asked; `none` for none. Whoever only has to know the names reads no more than this.
 * @throws InvalidInput naming each entry that cannot be used
 */
export function parseProviders(text: string): readonly NamedProvider[] {
  const problems: Problem[] = [];
  const named = new Map<string, NamedProvider>();
  const entries = text.split(',').map((entry) => entry.trim());
  for (const entry of entries.filter((one) => one !== '' && one !== 'none')) {
    const [name = '', ...rest] = entry.split('=');
    const message = faultOfEntry(name, rest.join('='), named);
    if (message !== null) problems.push({ path: 'ARGOSY_SEARCH_PROVIDERS', message });
    named.set(name, rest.length === 0 ? { name } : { name, base: rest.join('=') });
  }
  if (problems.length > 0) throw new InvalidInput(problems);
  return [...named.values()];
}

function faultOfEntry(name: string, base: string, named: ReadonlyMap<string, unknown>): string | null {
  const kind = kinds.get(name);
  if (!kind) return `"${name}" is no search provider; known are ${[...kinds.keys()].join(', ')}`;
  if (named.has(name)) return `${name} is named twice`;
  const url = URL.parse(base);
  const isAddress = url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.search === '';
  if (kind.needsAddress && base === '') return `say where ${name} is: ${name}=http://127.0.0.1:8080`;
  return base === '' || isAddress ? null : `"${name}" needs an http or https address without user name and query`;
}

/** What the secrets are called that tenants may bring: their own keys at providers that take one. */
export const secretNames: readonly string[] = [...kinds].flatMap(([name, { key }]) => (key ? [`search.${name}`] : []));

/** Whether the provider of this name knows works, and not pages. */
export function isScholarly(name: string): boolean {
  return kinds.get(name)?.scholarly === true;
}

/** What a process of its own asks where nothing is set: those with a key first, then those that need none. */
export function embeddedProviders(config: ProviderConfig): string {
  const usable = [...kinds].filter(
    ([, { key, keyless, needsAddress }]) => !needsAddress && (!key || keyless || config[key] !== undefined),
  );
  return usable.map(([name]) => name).join(',');
}

/**
 * The providers that `ARGOSY_SEARCH_PROVIDERS` names, in its order; none where it is not set.
 * @throws InvalidInput naming each entry that cannot be used, and each key that is missing
 */
export function searchProviders(config: ProviderConfig): readonly SearchProvider[] {
  const named = parseProviders(config.ARGOSY_SEARCH_PROVIDERS ?? '');
  const problems = named.flatMap(({ name }) => {
    const { key, keyless } = kinds.get(name) ?? {};
    if (!key || keyless || config[key] !== undefined) return [];
    return [{ path: key, message: `is required, because ARGOSY_SEARCH_PROVIDERS names ${name}` }];
  });
  if (problems.length > 0) throw new InvalidInput(problems);
  return named.flatMap(({ name, base }) => kinds.get(name)?.make(config, base) ?? []);
}
