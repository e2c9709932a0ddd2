import type { Turn } from './conversation.ts';
import type { Attribution, ResearchRequest } from './request.ts';

/** Tools that ask search providers. */
const searching: ReadonlySet<string> = new Set(['search', 'scholar']);

/**
 * What an honest reader must know was not there: what the request went without, and the web where it might be searched
 * and no provider ever answered: none named a page or said that it knows of none. Cost O(sections of the run).
 */
export function degradedOf({ degraded, sources }: ResearchRequest, turns: readonly Turn[]): readonly string[] {
  if (!sources.web || degraded.includes('no_web_search')) return degraded;
  const sections = turns
    .flatMap((turn) => (turn.role === 'tools' ? turn.results : []))
    .filter(({ call }) => searching.has(call.tool))
    .flatMap(({ observation }) => observation.sections);
  const answered = sections.some(({ hits, fault }) => hits !== undefined || fault?.kind === 'empty');
  return sections.length > 0 && !answered ? [...degraded, 'no_web_search'] : degraded;
}

/** The search providers that named anything to a run, in order of first appearance. Cost O(tool calls of the run). */
export function attributionsOf(turns: readonly Turn[]): readonly Attribution[] {
  const found = turns
    .flatMap((turn) => (turn.role === 'tools' ? turn.results : []))
    .flatMap(({ observation }) => Object.entries(observation.attributions ?? {}));
  return [...new Map(found)].map(([provider, text]) => ({ provider, text }));
}
