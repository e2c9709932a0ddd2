import type { Turn } from './conversation.ts';
import type { SourceDocument } from './observation.ts';

/** A source with the short id under which models and reports speak of it. */
export interface NumberedSource extends SourceDocument {
  /** `s1`, `s2`, ... in order of first appearance in the run. */
  readonly id: string;
}

/**
 * Numbers the sources of a history by first appearance; the same snapshot keeps its first id.
 * @returns by sha256, in order of id. Cost O(sources).
 */
export function numberSources(turns: readonly Turn[]): ReadonlyMap<string, NumberedSource> {
  const numbered = new Map<string, NumberedSource>();
  for (const turn of turns) {
    if (turn.role === 'tools')
      addSources(
        numbered,
        turn.results.flatMap(({ observation }) => observation.sources),
      );
    if (turn.role === 'digest') addSources(numbered, turn.sources);
  }
  return numbered;
}

function addSources(numbered: Map<string, NumberedSource>, sources: readonly SourceDocument[]): void {
  for (const source of sources) {
    if (!numbered.has(source.sha256)) numbered.set(source.sha256, { ...source, id: `s${numbered.size + 1}` });
  }
}
