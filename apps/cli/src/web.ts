import type { RunResource } from '#contracts';
import { InvalidInput } from '#errors';
import type { SearchProvider } from '#tools';
import type { Connection } from './connection.ts';
import type { ResearchCommand } from './research-options.ts';

/** Whether a command's run may search the web, as a gateway decides it: where it names nothing else to read, or says so. */
function searchesWeb(command: Pick<ResearchCommand, 'corpora' | 'body'>): boolean {
  const { web, providers = [] } = command.body.sources ?? {};
  return web ?? (providers.length > 0 || hasNothingElse(command));
}

/** Whether all that a command's run may read are pages that searches name. */
function hasNothingElse({ corpora, body }: Pick<ResearchCommand, 'corpora' | 'body'>): boolean {
  return corpora.length === 0 && (body.sources?.urls ?? []).length === 0;
}

/**
 * Who will be asked, to be printed before anybody is. Null for a run that leaves the web alone.
 * @param known the providers of this process; those of another server it alone knows
 * @throws InvalidInput when this process has no provider and the run nothing else to read
 */
export function webNote(
  command: ResearchCommand,
  { kind, client }: Pick<Connection, 'kind' | 'client'>,
  known: readonly Pick<SearchProvider, 'name' | 'hosts'>[],
): string | null {
  if (!searchesWeb(command)) return null;
  const named = command.body.sources?.providers ?? [];
  if (kind !== 'own') return `the web is searched by ${client.url}, by the providers that it was started with`;
  if (known.length === 0 && hasNothingElse(command)) throw new InvalidInput([{ path: '', message: nothingToRead }]);
  const asked = known.filter(({ name }) => named.length === 0 || named.includes(name));
  // The gateway says what is wrong with the names.
  if (asked.length === 0) return null;
  const hosts = asked.map((provider) => `${provider.hosts.join(', ')} (${provider.name})`);
  return `searching the web: queries go to ${hosts.join(', ')}; then pages that these name are read`;
}

const nothingToRead = `there is nothing to read: no documents, no pages, and ARGOSY_SEARCH_PROVIDERS names no search provider.
Give a folder or file with --corpus PATH, or a page with --url URL. This works as it stands:

  npm start -- "What happens to a run when its worker dies?" --corpus docs
`;

/** A run had nothing but the web to read, and nobody there answered. */
export function isCutOff({ report }: RunResource, command: ResearchCommand): boolean {
  const failed = report?.status === 'failed' && report.degraded.includes('no_web_search');
  return failed && searchesWeb(command) && hasNothingElse(command);
}

/** What to do about it, in one line. */
export const cutOff =
  'the web cannot be searched from here: no search provider answered. Read documents with --corpus PATH or pages with --url URL, or name a provider that can be reached (ARGOSY_SEARCH_PROVIDERS, docs/operations.md)';
