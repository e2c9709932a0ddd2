import type { Candidate, Statistics, TermQuery } from './corpus/types.ts';

/** Passages of one document among a query's hits, and hits of a query. */
const PER_DOCUMENT = 2;
const HITS = 10;

/**
 * Orders a query's candidates and picks its hits: best BM25 first, each text once, at most two of a document. Pure.
 * @returns up to 10 candidates, best first, `score` set to what they were ordered by
 */
export function rank(candidates: readonly Candidate[], _query: TermQuery, _statistics: Statistics): Candidate[] {
  const ordered = [...candidates].sort((a, b) => b.bm25 - a.bm25 || compare(a.uri, b.uri) || a.order - b.order);
  const seen = new Set<string>();
  const perDocument = new Map<string, number>();
  const hits: Candidate[] = [];
  for (const candidate of ordered) {
    const text = candidate.text.replace(/\s+/g, ' ').toLowerCase();
    const used = perDocument.get(candidate.uri) ?? 0;
    if (seen.has(text) || used >= PER_DOCUMENT) continue;
    seen.add(text);
    perDocument.set(candidate.uri, used + 1);
    hits.push({ ...candidate, score: candidate.bm25 });
    if (hits.length === HITS) break;
  }
  return hits;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
