import type { AnswerPart, Turn } from './conversation.ts';
import type { Passage } from './observation.ts';

/** Most passages that stand in for an answer nobody wrote. */
const mostPassages = 8;

/**
 * The answer of a run whose researcher could not give one: the best passages of its latest observations, verbatim,
 * one section after the other so that every query is heard. Empty when nothing was found.
 */
export function evidenceDraft(turns: readonly Turn[]): AnswerPart[] {
  const best = bestPassages(turns);
  if (best.length === 0) return [];
  const notice = 'The research ended before an answer was written. The best evidence found so far, word for word:';
  return [{ text: notice, claim: false, citations: [] }, ...best.map(quotePassage)];
}

/** A claim that is nothing but a quotation: its text and its quote are the passage. */
export function quotePassage(passage: Passage): AnswerPart {
  const { sha256, start, end, text } = passage;
  return { text, claim: true, citations: [{ source: sha256, start, end, quote: text }] };
}

function bestPassages(turns: readonly Turn[]): Passage[] {
  const sections = turns
    .flatMap((turn) => (turn.role === 'tools' ? turn.results : []))
    .flatMap((outcome) => outcome.observation.sections)
    .toReversed()
    .map((section) => section.passages.toSorted((a, b) => b.score - a.score));
  const chosen = new Map<string, Passage>();
  const deepest = Math.max(0, ...sections.map((passages) => passages.length));
  for (let rank = 0; rank < deepest && chosen.size < mostPassages; rank++) {
    for (const passages of sections) {
      const passage = passages[rank];
      if (passage !== undefined && chosen.size < mostPassages) chosen.set(placeOf(passage), passage);
    }
  }
  return [...chosen.values()];
}

function placeOf({ sha256, start, end }: Passage): string {
  return `${sha256}:${start}-${end}`;
}
