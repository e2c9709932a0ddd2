import { describe, expect, it } from '@jest/globals';
import { searchOf } from '../../../test/support/research.ts';
import type { Turn } from './conversation.ts';
import { evidenceDraft, quotePassage } from './evidence.ts';
import type { Passage } from './observation.ts';

const passage = (text: string, score: number): Passage => ({
  sha256: `sha of ${text}`,
  start: 3,
  end: 3 + text.length,
  text,
  headings: [],
  score,
});

/** One tool turn with one section for each list of passages. */
function turn(...sections: readonly (readonly Passage[])[]): Turn {
  const observation = { sections: sections.map((passages) => ({ label: 'q', passages })), sources: [] };
  return { role: 'tools', results: [{ call: searchOf('q'), observation }] };
}

const textsOf = (turns: readonly Turn[]) =>
  evidenceDraft(turns)
    .map((part) => part.text)
    .slice(1);

describe('evidenceDraft', () => {
  it('is empty when nothing was found', () => {
    expect(evidenceDraft([{ role: 'question', text: 'q' }, turn([]), turn()])).toEqual([]);
  });

  it('says first that this is evidence and no answer', () => {
    expect(evidenceDraft([turn([passage('a', 1)])])[0]).toMatchObject({ claim: false, citations: [] });
  });

  it('takes the best passage of each section before the second best of any, latest section first', () => {
    const turns = [
      turn([passage('old', 9)]),
      turn([passage('b2', 1), passage('b1', 2)], [passage('c1', 0.5), passage('c2', 0.1)]),
    ];
    expect(textsOf(turns)).toEqual(['c1', 'b1', 'old', 'c2', 'b2']);
  });

  it('holds eight passages at most, each once', () => {
    const many = Array.from({ length: 9 }, (_, i) => passage(`p${i}`, -i));
    expect(textsOf([turn(many)])).toEqual(many.slice(0, 8).map((p) => p.text));
    expect(textsOf([turn([passage('a', 1)]), turn([passage('a', 5)])])).toEqual(['a']);
  });
});

describe('quotePassage', () => {
  it('is a claim that quotes itself, by offset', () => {
    const citations = [{ source: 'sha of a', start: 3, end: 4, quote: 'a' }];
    expect(quotePassage(passage('a', 1))).toEqual({ text: 'a', claim: true, citations });
  });
});
