import { overlap, stems } from '#domain';
import type { Candidate, Statistics, TermQuery } from './types.ts';

/** Passages that are handed on, more than are shown: some turn out to stand in a better one's wider text. */
const RANKED = 24;

/** What a passage that is all code keeps of its score: questions are asked in prose and mostly answered in it. */
const CODE_SHARE = 0.45;

/** Two passages that share more of their words than this say the same. */
const SAME_WORDS = 0.8;

/** Damps the difference between neighbouring ranks when the two orders are fused. */
const RANK_DAMPING = 12;

/** What the order by words counts at least, and what both orders count together. */
const LEAST_TRUST = 0.15;
const BOTH_WEIGHTS = 1.35;

/** What a query brought up, by its words and by its meaning. */
export interface Found {
  readonly byWords: readonly Candidate[];
  readonly byMeaning: readonly Candidate[];
}

/**
 * Orders what a query brought up and picks its hits, by reciprocal rank in two orders. By words: BM25, raised by how much
 * of the query's weight a passage covers. By meaning: the cosine of the word vectors. Words are trusted as far as some
 * passage covers the query with them, meaning for the rest. Both are lowered where a passage is code rather than prose.
 * Passages that say the same as a better one are left out. Pure; cost O(candidates x length).
 * @returns up to 24 candidates, best first, `score` set to what they were ordered by
 */
export function rank({ byWords, byMeaning }: Found, query: TermQuery, statistics: Statistics): Candidate[] {
  const weights = termWeights(query, statistics);
  const covered = new Map(byWords.map((c) => [c, coverage(c, weights)]));
  const trust = LEAST_TRUST + (1 - LEAST_TRUST) * Math.max(0, ...covered.values());
  const worded = order(byWords, (c) => c.bm25 * (0.5 + (covered.get(c) ?? 0)) * proseFactor(c.text));
  const meant = order(byMeaning, (c) => c.cosine * proseFactor(c.text));
  const fused = new Map<string, Candidate>();
  for (const [list, weight] of [
    [worded, trust],
    [meant, BOTH_WEIGHTS - trust],
  ] as const) {
    for (const [place, candidate] of list.entries()) {
      const key = `${candidate.uri} ${candidate.order}`;
      const before = fused.get(key);
      const score = (before?.score ?? 0) + weight / (RANK_DAMPING + place);
      fused.set(key, { ...(before ?? candidate), score });
    }
  }
  return withoutRepeats([...fused.values()]);
}

function order(candidates: readonly Candidate[], worth: (candidate: Candidate) => number): Candidate[] {
  return candidates
    .map((candidate) => ({ ...candidate, score: worth(candidate) }))
    .sort((a, b) => b.score - a.score || compare(a.uri, b.uri) || a.order - b.order);
}

/** Inverse document frequency of each group's stems, as parts of 1. */
function termWeights({ groups }: TermQuery, { passages, documentFrequency }: Statistics): Map<string, number> {
  const weights = new Map<string, number>();
  let total = 0;
  for (const { terms, weight } of groups) {
    const frequency = Math.max(0, ...terms.map((term) => documentFrequency[term] ?? 0));
    const idf = weight * Math.log(1 + (passages - frequency + 0.5) / (frequency + 0.5));
    total += idf;
    for (const stem of terms.flatMap(stems)) weights.set(stem, idf);
  }
  for (const [stem, idf] of weights) weights.set(stem, idf / Math.max(total, 1e-9));
  return weights;
}

/** Share of the query's weight that a passage, its headings and its title hold, 0 to 1. */
function coverage({ text, headings, title }: Candidate, weights: ReadonlyMap<string, number>): number {
  const own = new Set([...stems(text), ...headings.flatMap(stems), ...stems(title)]);
  let covered = 0;
  for (const [stem, weight] of weights) if (own.has(stem)) covered += weight;
  return Math.min(1, covered);
}

/** 1 for prose down to {@link CODE_SHARE} for code, by how many marks stand among the letters. */
export function proseFactor(text: string): number {
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  const marks = text.match(/[{}();=<>[\]|&$]/g)?.length ?? 0;
  const share = letters / Math.max(1, letters + 6 * marks);
  return CODE_SHARE + (1 - CODE_SHARE) * share;
}

/** Leaves out what says the same as a better hit: other formats of one page, copies, near-copies. */
function withoutRepeats(scored: readonly Candidate[]): Candidate[] {
  const kept: { candidate: Candidate; words: ReadonlySet<string> }[] = [];
  for (const candidate of scored.toSorted((a, b) => b.score - a.score || compare(a.uri, b.uri) || a.order - b.order)) {
    const words = new Set(stems(candidate.text));
    if (kept.some((hit) => overlap(words, hit.words) > SAME_WORDS)) continue;
    kept.push({ candidate, words });
    if (kept.length === RANKED) break;
  }
  return kept.map(({ candidate }) => candidate);
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
