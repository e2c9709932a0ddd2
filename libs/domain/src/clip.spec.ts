import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { hitOf, observationOf, searchOf, sha256Of } from '../../../test/support/research.ts';
import { clipOutcomes, hitTokens, passageTokens } from './clip.ts';
import type { ToolOutcome } from './conversation.ts';
import type { Observation, Passage } from './observation.ts';

const words = (count: number, word = 'lease'): string => Array.from({ length: count }, () => word).join(' ');

function outcomeOf(...texts: readonly string[]): ToolOutcome {
  const parts = texts.map((text, rank) => ({ ...observationOf(text), rank }));
  const passages = parts.map(({ sections, rank }): Passage => ({ ...passageIn(sections), score: 1 / (1 + rank) }));
  const observation: Observation = {
    sections: [{ label: 'query', passages }],
    sources: parts.flatMap(({ sources }) => sources),
  };
  return { call: searchOf('query'), observation };
}

function passageIn(sections: Observation['sections']): Passage {
  const [passage] = sections.flatMap((section) => section.passages);
  if (passage === undefined) throw new Error('no passage');
  return passage;
}

function sizeOf({ observation }: ToolOutcome): number {
  const sources = new Map(observation.sources.map((source) => [source.sha256, source]));
  return observation.sections
    .flatMap(({ passages }) => passages)
    .reduce((sum, passage) => sum + passageTokens(passage, sources.get(passage.sha256)), 0);
}

describe('clipOutcomes', () => {
  it('leaves alone what fits, and everything where there is no limit', () => {
    const outcomes = [outcomeOf(words(50), words(40, 'lock'))];
    expect(clipOutcomes(outcomes, 1_000)).toEqual(outcomes);
    expect(clipOutcomes([outcomeOf(words(9_000))], 0)).toEqual([outcomeOf(words(9_000))]);
  });

  it('keeps the best, cuts the last that fits in part, and says how many are left out', () => {
    const [clipped] = clipOutcomes([outcomeOf(words(150), words(400, 'lock'), words(400, 'epoch'))], 800);
    const [section] = clipped?.observation.sections ?? [];
    expect(section?.passages.map(({ text }) => text.slice(0, 4))).toEqual(['leas', 'lock']);
    expect(section?.omitted).toBe(1);
    expect(section?.passages[1]?.text.length).toBeLessThan(words(400, 'lock').length);
    expect(clipped?.observation.sources.map(({ sha256 }) => sha256)).toEqual(
      [words(150), words(400, 'lock')].map(sha256Of),
    );
  });

  it('hears every query: the first choice of each comes before the second of any', () => {
    const one = outcomeOf(words(100), words(100, 'lock'));
    const two = outcomeOf(words(100, 'epoch'), words(100, 'fence'));
    const both: ToolOutcome = {
      call: searchOf('both'),
      observation: {
        sections: [...one.observation.sections, ...two.observation.sections],
        sources: [...one.observation.sources, ...two.observation.sources],
      },
    };
    const [clipped] = clipOutcomes([both], 600);
    const firsts = clipped?.observation.sections.map(({ passages }) => passages[0]?.text.split(' ')[0]);
    expect(firsts).toEqual(['lease', 'epoch']);
  });

  it('shares the room among the calls of one reply, however many there are', () => {
    const many = Array.from({ length: 8 }, (_, i) => outcomeOf(words(2_000, `word${i}`)));
    const total = clipOutcomes(many, 4_000).reduce((sum, outcome) => sum + sizeOf(outcome), 0);
    expect(total).toBeLessThanOrEqual(4_000);
    expect(total).toBeGreaterThan(2_000);
  });

  it('shares the room between passages and hits, keeps hits whole, and counts what is left out of both', () => {
    const { call, observation } = outcomeOf(words(100), words(100, 'lock'));
    const hits = ['a', 'b', 'c'].map((name) => hitOf(`https://${name}.example/`, { snippet: words(60) }));
    const sections = observation.sections.map((section) => ({ ...section, hits }));
    const [clipped] = clipOutcomes([{ call, observation: { ...observation, sections } }], 600);
    const [section] = clipped?.observation.sections ?? [];
    expect(section?.hits).toEqual(hits.slice(0, 1));
    expect(section?.passages.length).toBeGreaterThan(0);
    expect((section?.passages.length ?? 0) + (section?.hits?.length ?? 0) + (section?.omitted ?? 0)).toBe(5);
  });

  it('passes over a hit that is too large for those behind it, and stays within the room', () => {
    const hits = [hitOf('https://a.example/', { snippet: words(900) }), hitOf('https://b.example/')];
    const observation: Observation = { sections: [{ label: 'query', passages: [], hits }], sources: [] };
    const [clipped] = clipOutcomes([{ call: searchOf('query'), observation }], 300);
    const [section] = clipped?.observation.sections ?? [];
    expect(section).toMatchObject({ hits: [{ url: 'https://b.example/' }], omitted: 1 });
    expect(hitTokens(hits[0] ?? hitOf(''))).toBeGreaterThan(300);
  });

  it('cuts nowhere but in its text: 1,000 passages of all scripts stay verbatim and within the room', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 3_000 });
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 4 }), fc.integer({ min: 50, max: 900 }), (texts, room) => {
        const [clipped] = clipOutcomes([outcomeOf(...texts)], room);
        if (clipped === undefined) throw new Error('the outcome is gone');
        const [section] = clipped.observation.sections;
        for (const { sha256, start, end, text: shown } of section?.passages ?? []) {
          const snapshot = texts.find((one) => sha256Of(one) === sha256);
          expect(snapshot?.slice(start, end)).toBe(shown);
        }
        expect(sizeOf(clipped)).toBeLessThanOrEqual(room);
        expect((section?.passages.length ?? 0) + (section?.omitted ?? 0)).toBe(texts.length);
      }),
      { numRuns: 1_000 },
    );
  });
});
