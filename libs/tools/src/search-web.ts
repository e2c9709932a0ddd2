import type { Observation, SearchHit, Section, SourcePolicy, ToolFault } from '#domain';
import { oneLine } from './providers/plain.ts';
import type { SearchProvider } from './providers/provider.ts';
import { type Answer, askProviders, type SearchParts } from './search-ask.ts';
import { languageOf } from './search-language.ts';
import { faultOfAll, mergeHits } from './search-merge.ts';
import type { ToolContext } from './tool.ts';

/** Hits asked of each provider: twice of what is shown, because some are the same and some not allowed. */
const HITS_EACH = 20;

/** Which providers a run may ask now, or why none. */
export type Choice = readonly SearchProvider[] | ToolFault;

/** Providers that the run names, else all that the process asks. */
export function choose(parts: SearchParts | null, policy: SourcePolicy): Choice {
  if (!policy.web) return blocked('The web is not allowed in this run.');
  const known = parts?.providers ?? [];
  const named = policy.providers;
  const chosen = named.length === 0 ? known : known.filter(({ name }) => named.includes(name));
  if (chosen.length > 0) return chosen;
  if (named.length === 0) return blocked('No search provider is set up here.');
  return blocked(`Of the search providers that this run names (${named.join(', ')}) none is set up here.`);
}

/** What the open web has on one query: pages to read, or why there are none. */
export interface Pages {
  readonly hits: readonly SearchHit[];
  readonly fault?: ToolFault;
}

/** Asks the open web for one query. @throws Aborted when the signal fires */
export async function searchWeb(
  parts: SearchParts,
  chosen: readonly SearchProvider[],
  query: string,
  context: ToolContext,
): Promise<Pages> {
  const answers = await askAll(parts, chosen, query, context);
  const { hits, outside } = mergeHits(answers, query, context.policy);
  return hits.length > 0 ? { hits } : { hits, fault: faultOfAll(answers, outside) };
}

/** Everyone's answers to a query as a model wrote it. @throws Aborted when the signal fires */
export async function askAll(
  parts: SearchParts,
  chosen: readonly SearchProvider[],
  query: string,
  { policy, tenantId, signal, now }: ToolContext,
): Promise<readonly Answer[]> {
  const { publishedAfter: after, publishedBefore: before, allowDomains, denyDomains } = policy;
  const words = oneLine(query);
  return await askProviders(parts, chosen, {
    ...{ query: words, language: languageOf(words), after, before, allowDomains, denyDomains },
    ...{ limit: HITS_EACH, now: Date.parse(now), signal },
    // Beside private documents, a query may hold words of them.
    ...{ tenantId, isPrivate: policy.corpora.length > 0 },
  });
}

/** What is to be said of the providers that are named in what was found. */
export function attributionsOf(
  sections: readonly Section[],
  providers: readonly SearchProvider[],
): Pick<Observation, 'attributions'> {
  const named = new Set(sections.flatMap(({ hits = [] }) => hits.flatMap((hit) => hit.providers)));
  const said = providers.filter(({ name }) => named.has(name)).map(({ name, attribution }) => [name, attribution]);
  return said.length === 0 ? {} : { attributions: Object.fromEntries(said) };
}

function blocked(message: string): ToolFault {
  return { kind: 'blocked', message };
}
