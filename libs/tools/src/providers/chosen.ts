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
export type ProviderConfig = Pick<
  Config,
  'ARGOSY_SEARCH_PROVIDERS' | 'ARGOSY_OWN_KEYS' | 'ARGOSY_CONTACT' | KeySetting
>;

/** What a provider is made with. */
interface Making {
  readonly key: string | null;
  /** What is to be looked at when the key is refused. */
  readonly keyName: string;
  readonly contact: string | undefined;
  /** Its address; undefined for its own. */
  readonly base: string | undefined;
}

/** How one provider comes about. */
interface Kind {
  readonly scholarly?: true;
  /** The setting of its key. */
  readonly key?: KeySetting;
  /** It can do without its key. */
  readonly keyless?: true;
  readonly needsAddress?: true;
  make(making: Making): SearchProvider;
}

/** All that are known, in the order in which an embedded process prefers them. */
const kinds: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['searxng', { needsAddress: true, make: ({ base }) => searxng(base ?? '') }],
  keyed('brave', 'ARGOSY_BRAVE_API_KEY', brave),
  keyed('tavily', 'ARGOSY_TAVILY_API_KEY', tavily),
  keyed('serper', 'ARGOSY_SERPER_API_KEY', serper),
  keyed('exa', 'ARGOSY_EXA_API_KEY', exa),
  ['mediawiki', { make: ({ base }) => mediawiki(base) }],
  [
    'openalex',
    {
      scholarly: true,
      key: 'ARGOSY_OPENALEX_API_KEY',
      keyless: true,
      make: ({ key, base, keyName }) => openalex(key, base, keyName),
    },
  ],
  ['crossref', { scholarly: true, make: ({ contact, base }) => crossref(mailOf(contact), base) }],
  ['arxiv', { scholarly: true, make: ({ base }) => arxiv(base) }],
]);

function keyed(
  name: string,
  setting: KeySetting,
  make: (key: string, base?: string, keyName?: string) => SearchProvider,
): [string, Kind] {
  return [name, { key: setting, make: ({ key, base, keyName }) => make(key ?? '', base, keyName) }];
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

const takingKeys = [...kinds].filter(([, { key }]) => key !== undefined).map(([name]) => name);

const secretOf = (name: string): string => `search.${name}`;

/** What the secrets are called that tenants may bring: their own keys at providers that take one. */
export const secretNames: readonly string[] = takingKeys.map(secretOf);

/**
 * Reads `ARGOSY_OWN_KEYS`: names of providers that are asked with keys of tenants alone, separated by commas.
 * @throws InvalidInput naming each that takes no key
 */
export function parseOwnKeys(text: string): ReadonlySet<string> {
  const names = text.split(',').map((name) => name.trim());
  const problems = names
    .filter((name) => !takingKeys.includes(name))
    .map((name) => ({
      path: 'ARGOSY_OWN_KEYS',
      message: `"${name}" is no search provider that takes a key; those that do are ${takingKeys.join(', ')}`,
    }));
  if (problems.length > 0) throw new InvalidInput(problems);
  return new Set(names);
}

function ownKeysOf({ ARGOSY_OWN_KEYS: text }: ProviderConfig): ReadonlySet<string> {
  return text === undefined ? new Set() : parseOwnKeys(text);
}

/** Whether the provider of this name knows works, and not pages. */
export function isScholarly(name: string): boolean {
  return kinds.get(name)?.scholarly === true;
}

/** What a process of its own asks where nothing is set: those with a key first, then those that need none. */
export function embeddedProviders(config: ProviderConfig): string {
  const own = ownKeysOf(config);
  const hasKey = (name: string, key: KeySetting) => config[key] !== undefined || own.has(name);
  const usable = [...kinds].filter(
    ([name, { key, keyless, needsAddress }]) => !needsAddress && (!key || keyless || hasKey(name, key)),
  );
  return usable.map(([name]) => name).join(',');
}

/**
 * The providers that `ARGOSY_SEARCH_PROVIDERS` names, in its order; none where it is not set.
 * @throws InvalidInput naming each entry that cannot be used, and each key that is missing
 */
export function searchProviders(config: ProviderConfig): readonly SearchProvider[] {
  const named = parseProviders(config.ARGOSY_SEARCH_PROVIDERS ?? '');
  const own = ownKeysOf(config);
  const problems = named.flatMap(({ name }) => {
    const { key, keyless } = kinds.get(name) ?? {};
    if (!key || keyless || own.has(name) || config[key] !== undefined) return [];
    const message = `is required, because ARGOSY_SEARCH_PROVIDERS names ${name} and ARGOSY_OWN_KEYS does not`;
    return [{ path: key, message }];
  });
  if (problems.length > 0) throw new InvalidInput(problems);
  return named.map((one) => openProvider(one, config, own.has(one.name)));
}

/** @param only the deployment's key is nobody's, though there is one */
function openProvider({ name, base }: NamedProvider, config: ProviderConfig, only: boolean): SearchProvider {
  const kind = kinds.get(name);
  if (kind === undefined) throw new Error(`The provider ${name} was not looked up.`);
  const { key: setting } = kind;
  const place = { contact: config.ARGOSY_CONTACT, base };
  if (setting === undefined) return kind.make({ key: null, keyName: '', ...place });
  const key = only ? null : (config[setting] ?? null);
  const secret = secretOf(name);
  const withKey = (text: string) => kind.make({ key: text, keyName: `the secret ${secret}`, ...place });
  return { ...kind.make({ key, keyName: setting, ...place }), own: { secret, only, with: withKey } };
}
