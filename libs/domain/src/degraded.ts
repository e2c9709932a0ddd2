import type { Turn } from './conversation.ts';
import type { ResearchRequest } from './request.ts';

/** Tools that ask search providers. */
const searching: ReadonlySet<string> = new Set(['search', 'scholar']);

/**
 * What an honest reader must know was not there: what the request went without, and the web where it might be searched
 * and no provider ever answered. That nothing was found is an answer. Cost O(sections of the run).
 */
export function degradedOf({ degraded, sources }: ResearchRequest, turns: readonly Turn[]): readonly string[] {
  if (!sources.web || degraded.includes('no_web_search')) return degraded;
  const sections = turns
    .flatMap((turn) => (turn.role === 'tools' ? turn.results : []))
    .filter(({ call }) => searching.has(call.tool))
    .flatMap(({ observation }) => observation.sections);
  const failed = sections.some(({ fault }) => fault !== undefined && fault.kind !== 'empty');
  const answered = sections.some(({ hits, fault }) => hits !== undefined || fault?.kind === 'empty');
  return failed && !answered ? [...degraded, 'no_web_search'] : degraded;
}
