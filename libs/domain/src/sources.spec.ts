import { describe, expect, it } from '@jest/globals';
import { observationOf, searchOf, sha256Of } from '../../../test/support/research.ts';
import type { Turn } from './conversation.ts';
import { numberSources } from './sources.ts';

const turn = (...texts: readonly string[]): Turn => ({
  role: 'tools',
  results: texts.map((text) => ({ call: searchOf(text), observation: observationOf(text) })),
});
const idsOf = (turns: readonly Turn[]) => [...numberSources(turns)].map(([sha256, source]) => [source.id, sha256]);

describe('numberSources', () => {
  it('numbers by first appearance, and a snapshot seen again keeps its number', () => {
    expect(idsOf([{ role: 'question', text: 'q' }, turn('a', 'b'), turn('b', 'c', 'a')])).toEqual([
      ['s1', sha256Of('a')],
      ['s2', sha256Of('b')],
      ['s3', sha256Of('c')],
    ]);
  });

  it('never renumbers when the history grows', () => {
    const turns = [turn('a'), turn('b', 'a'), turn('c')];
    const whole = idsOf(turns);
    for (let length = 0; length <= turns.length; length++) {
      const part = idsOf(turns.slice(0, length));
      expect(part).toEqual(whole.slice(0, part.length));
    }
  });
});
