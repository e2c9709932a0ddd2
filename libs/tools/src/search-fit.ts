import { stems, subjectWords } from '#domain';
import type { ProviderHit } from './providers/provider.ts';

/**
 * How much of a query a work is about, 0 to 1: the share of its words that title, authors, venue and abstract hold.
 * Indexes of works answer every query with something, and rank what shares a single word with it first if nothing better
 * is there. Pages are taken at their provider's word: 1.
 */
export function fitOf({ title, snippet, abstract, work }: ProviderHit, query: string): number {
  if (!work) return 1;
  const wanted = new Set(subjectWords(query).flatMap(stems));
  if (wanted.size === 0) return 1;
  const told = new Set(stems([title, abstract || snippet, work.venue ?? '', ...work.authors].join(' ')));
  return [...wanted].filter((word) => told.has(word)).length / wanted.size;
}
