import { type Passage, type Section, stems, subjectWords, type Turn } from '#domain';
import type { Aspect } from './aspects.ts';

/** A passage with everything the run has learnt about it. */
export interface Evidence {
  readonly passage: Passage;
  /** Fused over all queries and readings that brought it up; higher is better. */
  readonly worth: number;
  readonly stems: ReadonlySet<string>;
}

/** Damps the difference between first and second place when ranks are fused. */
export const rankDamping = 3;

/** Passages shorter than this many words hardly answer anything. */
const fewWords = 8;

/** All sections of a run so far, oldest first. */
export function sectionsOf(turns: readonly Turn[]): Section[] {
  return turns.flatMap((turn) =>
    turn.role === 'tools' ? turn.results.flatMap((outcome) => outcome.observation.sections) : [],
  );
}

/** A section and how much its order counts. */
export interface WeightedSection {
  readonly section: Section;
  readonly weight: number;
  /**
   * Set for the passages of a page, which are the best of that page whatever it speaks of: they count by how much of this
   * they cover.
   */
  readonly goal?: Aspect;
}

/** What a passage of a page counts that covers nothing of its goal: the page itself was found for it. */
const leastOfPage = 0.25;

/** Pools the passages of some sections by reciprocal rank: what several queries agree on rises. Each place once. */
export function pool(sections: readonly WeightedSection[]): Evidence[] {
  const pooled = new Map<string, { passage: Passage; worth: number }>();
  for (const { section, weight, goal } of sections) {
    const { passages } = section;
    const ranked = passages.toSorted((a, b) => b.score - a.score);
    for (const [rank, passage] of ranked.entries()) {
      const place = `${passage.sha256}:${passage.start}`;
      const before = pooled.get(place)?.worth ?? 0;
      const fit = goal === undefined ? 1 : leastOfPage + (1 - leastOfPage) * coverage(goal, evidenceOf(passage, 0));
      pooled.set(place, { passage, worth: before + (weight * fit) / (rankDamping + rank) });
    }
  }
  return [...pooled.values()]
    .map(({ passage, worth }) => evidenceOf(passage, worth))
    .toSorted((a, b) => b.worth - a.worth || placeOrder(a.passage, b.passage));
}

function evidenceOf(passage: Passage, worth: number): Evidence {
  const words = stems(passage.text);
  const thin = words.length < fewWords ? 0.5 : 1;
  return { passage, worth: worth * thin, stems: new Set(words) };
}

/** Same worth, same order, whatever order they were found in. */
function placeOrder(a: Passage, b: Passage): number {
  return a.sha256 === b.sha256 ? a.start - b.start : a.sha256 < b.sha256 ? -1 : 1;
}

/** Share of an aspect's subject words that a passage or its headings hold, 0 to 1. */
export function coverage(aspect: Aspect, { passage, stems: own }: Evidence): number {
  const wanted = subjectWords(aspect.query).map(stems);
  const around = new Set(passage.headings.flatMap(stems));
  const met = wanted.filter((forms) => forms.some((stem) => own.has(stem) || around.has(stem)));
  return wanted.length === 0 ? 1 : met.length / wanted.length;
}

/**
 * Words of the field: what the best passages have in common beyond the question's own words.
 * @returns up to `limit` words as they stand in the texts, most telling first
 */
export function fieldWords(best: readonly Evidence[], question: string, limit: number): string[] {
  const asked = new Set(stems(question));
  const seen = new Map<string, { word: string; in: number }>();
  for (const { passage } of best) {
    const words = new Map(subjectWords(passage.text).map((word) => [stems(word)[0] ?? word, word]));
    for (const [stem, word] of words) {
      if (asked.has(stem) || word.length < 4 || /^\d/.test(word)) continue;
      seen.set(stem, { word, in: (seen.get(stem)?.in ?? 0) + 1 });
    }
  }
  return [...seen.values()]
    .filter((entry) => entry.in >= 2)
    .toSorted((a, b) => b.in - a.in || (a.word < b.word ? -1 : 1))
    .slice(0, limit)
    .map((entry) => entry.word);
}
