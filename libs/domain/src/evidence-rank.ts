import type { Turn } from './conversation.ts';
import type { Passage } from './observation.ts';
import { stems } from './words.ts';

/** A passage and how much a run's answer may lean on it. */
export interface Evidence {
  readonly passage: Passage;
  readonly worth: number;
}

/** Replies after a passage in which the model may have spoken of it. */
const repliesHeard = 3;

/** How much the place in its section counts beside what the passage says. */
const rankWeight = 0.2;

interface Candidate {
  readonly passage: Passage;
  readonly terms: ReadonlySet<string>;
  /** From 0, the best of its section. */
  rank: number;
  /** Words of the model after it was shown. */
  readonly spoken: ReadonlySet<string>[];
}

/**
 * Orders what a run has read by how much of it the question asks for and the model spoke of afterwards, in words that few
 * passages have. Pure; no model takes part.
 * @returns each place once, best first. Cost O(words of all passages and replies)
 */
export function rankEvidence(turns: readonly Turn[]): Evidence[] {
  const candidates = candidatesOf(turns);
  const rarity = raritiesOf(candidates);
  const question = new Set(turns.flatMap((turn) => (turn.role === 'question' ? stems(turn.text) : [])));
  return candidates
    .map((candidate) => ({ passage: candidate.passage, worth: worthOf(candidate, question, rarity) }))
    .toSorted((a, b) => b.worth - a.worth);
}

function candidatesOf(turns: readonly Turn[]): Candidate[] {
  const candidates = new Map<string, Candidate>();
  let listening: { candidate: Candidate; left: number }[] = [];
  for (const turn of turns) {
    if (turn.role === 'model') {
      const words = new Set(stems(turn.text));
      for (const { candidate } of listening) candidate.spoken.push(words);
      listening = listening.flatMap(({ candidate, left }) => (left > 1 ? [{ candidate, left: left - 1 }] : []));
    }
    if (turn.role !== 'tools') continue;
    for (const section of turn.results.flatMap(({ observation }) => observation.sections)) {
      const ranked = section.passages.toSorted((a, b) => b.score - a.score);
      for (const [rank, passage] of ranked.entries()) {
        const place = `${passage.sha256}:${passage.start}-${passage.end}`;
        const candidate = candidates.get(place) ?? { passage, terms: new Set(stems(passage.text)), rank, spoken: [] };
        candidate.rank = Math.min(candidate.rank, rank);
        candidates.set(place, candidate);
        listening.push({ candidate, left: repliesHeard });
      }
    }
  }
  return [...candidates.values()];
}

/** How telling each word is: 0 for one that every passage has. */
function raritiesOf(candidates: readonly Candidate[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { terms } of candidates) for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1);
  const all = candidates.length;
  return new Map([...counts].map(([term, count]) => [term, Math.log((all + 1) / count)]));
}

function worthOf(
  { terms, spoken, rank }: Candidate,
  question: ReadonlySet<string>,
  rarity: ReadonlyMap<string, number>,
): number {
  const weigh = (words: Iterable<string>, met: (word: string) => boolean): number => {
    let sum = 0;
    for (const word of words) if (met(word)) sum += rarity.get(word) ?? 0;
    return sum;
  };
  const all = (): boolean => true;
  const asked = weigh(question, (word) => terms.has(word)) / Math.max(1e-9, weigh(question, all));
  const own = Math.max(1e-9, weigh(terms, all));
  const heard = Math.max(0, ...spoken.map((words) => weigh(terms, (term) => words.has(term)) / own));
  return asked + heard + rankWeight / (1 + rank);
}
