import type { Pointer, Turn } from './conversation.ts';
import type { Section } from './observation.ts';

/** Pointers that a digest keeps. */
const mostPointers = 20;

/**
 * Pages that searches before turn `from` named and that nobody asked for in any turn: what several searches agree on and
 * what stood high comes first, then what was named last. Each address once. Cost O(hits of the run).
 */
export function unreadPages(turns: readonly Turn[], from: number): Pointer[] {
  const asked = new Set(sectionsOf(turns).map(({ label }) => label));
  const pages = new Map<string, { pointer: Pointer; worth: number }>();
  for (const { hits = [] } of sectionsOf(turns.slice(0, from)).toReversed()) {
    for (const [rank, { url, title }] of hits.entries()) {
      if (asked.has(url)) continue;
      const known = pages.get(url);
      pages.set(url, { pointer: known?.pointer ?? { url, title }, worth: (known?.worth ?? 0) + 1 / (1 + rank) });
    }
  }
  return [...pages.values()]
    .toSorted((a, b) => b.worth - a.worth)
    .slice(0, mostPointers)
    .map(({ pointer }) => pointer);
}

function sectionsOf(turns: readonly Turn[]): Section[] {
  return turns
    .flatMap((turn) => (turn.role === 'tools' ? turn.results : []))
    .flatMap(({ observation }) => observation.sections);
}
