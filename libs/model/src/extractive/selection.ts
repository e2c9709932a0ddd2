import { overlap, type Passage } from '#domain';
import type { Aspect } from './aspects.ts';
import { type Evidence, pool, type WeightedSection } from './evidence.ts';

/** Passages of an answer, all aspects together. */
const mostPassages = 8;

/** Two passages that share more of their words than this say the same. */
const sameWords = 0.8;

/** What one aspect is answered with. */
export interface AspectAnswer {
  readonly aspect: Aspect;
  /** In order of worth; may be empty. */
  readonly passages: readonly Passage[];
}

/**
 * Picks the passages of the answer: the best of each aspect in turn, none that repeats one already chosen, each passage
 * under the aspect that it serves best.
 * @param sectionsOf sections that belong to an aspect
 */
export function selectAnswer(
  aspects: readonly Aspect[],
  sectionsOf: (aspect: Aspect) => readonly WeightedSection[],
  limit = mostPassages,
): AspectAnswer[] {
  const queues = aspects.map((aspect) => ({ aspect, waiting: pool(sectionsOf(aspect)), chosen: [] as Evidence[] }));
  const taken: Evidence[] = [];
  while (taken.length < limit && queues.some(({ waiting }) => waiting.length > 0)) {
    for (const queue of queues) {
      if (taken.length >= limit) break;
      const next = takeNext(queue.waiting, taken);
      if (next === undefined) continue;
      queue.chosen.push(next);
      taken.push(next);
    }
  }
  return queues.map(({ aspect, chosen }) => ({ aspect, passages: chosen.map(({ passage }) => passage) }));
}

/** Removes and returns the first waiting passage that says something new. */
function takeNext(waiting: Evidence[], taken: readonly Evidence[]): Evidence | undefined {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const candidate = next;
    if (taken.every((other) => overlap(candidate.stems, other.stems) < sameWords)) return candidate;
  }
  return undefined;
}
