import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { hitsOf, observationOf, searchOf } from '../../../test/support/research.ts';
import { type Context, digestOf, planCompaction, shownTurns, wholeContext } from './context.ts';
import type { Turn } from './conversation.ts';
import { numberSources } from './sources.ts';

const question: Turn = { role: 'question', text: 'Which keeper of the lightship wrote of the storm of 1911?' };

/** A model's reply and what its one call found. */
function step(found: string, thought = 'I look further.', query = found.slice(0, 20)): Turn[] {
  const call = searchOf(query);
  return [
    { role: 'model', text: thought, calls: [call] },
    { role: 'tools', results: [{ call, observation: observationOf(found, query) }] },
  ];
}

/** About 250 tokens that have nothing to do with any question. */
const noise = (index: number): string =>
  Array.from({ length: 150 }, (_, i) => `word${(index * 151 + i * 7919) % 9973}`).join(' ');
const noisySteps = (count: number, from = 0): Turn[] =>
  Array.from({ length: count }, (_, i) => step(noise(from + i))).flat();

const fact = 'In the storm of 1911 the keeper Amelia Thorne wrote every hour in the log of the lightship.';

function compacted(turns: readonly Turn[], context: Context, promptTokens: number, window: number): Context {
  const plan = planCompaction(turns, context, promptTokens, window);
  if (plan === null) throw new Error('nothing could be compacted');
  return { digest: digestOf(turns, plan), from: plan.from, measured: null };
}

describe('planCompaction', () => {
  const turns = [question, ...step(fact), ...noisySteps(40)];
  const context = compacted(turns, wholeContext, 12_000, 12_000);

  it('keeps what the question asks for, word for word, with the number that its source had', () => {
    expect(context.digest?.passages.map(({ text }) => text)).toContain(fact);
    const before = numberSources(turns);
    for (const [sha256, { id }] of numberSources(shownTurns(turns, context)))
      expect(before.get(sha256)).toMatchObject({ id });
  });

  it('keeps the newest turns as they are, from a reply of the model on', () => {
    const shown = shownTurns(turns, context);
    expect(shown[0]).toBe(question);
    expect(shown[1]).toBe(context.digest);
    expect(shown[2]?.role).toBe('model');
    expect(shown.slice(2)).toEqual(turns.slice(context.from));
    expect(shown.at(-1)).toBe(turns.at(-1));
  });

  it('lists what was looked up', () => {
    expect(context.digest?.lookups).toContainEqual({ tool: 'search', label: fact.slice(0, 20), passages: 1 });
  });

  it('keeps as pointers the pages that were named and not read, the best first', () => {
    const url = (name: string): string => `https://${name}.example/`;
    const named = (query: string, ...names: readonly string[]): Turn[] => {
      const observation = hitsOf(query, ...names.map(url));
      return [
        { role: 'model', text: 'I look further.', calls: [searchOf(query)] },
        { role: 'tools', results: [{ call: searchOf(query), observation }] },
      ];
    };
    const visited = step('A page that was read.', 'I read it.', url('read'));
    const heard = [...named('storm', 'first', 'read', 'second'), ...visited, ...named('log', 'second')];
    const all = [question, ...heard, ...noisySteps(40), ...named('newest', 'third')];
    const { digest } = compacted(all, wholeContext, 12_000, 12_000);
    expect(digest?.unread).toEqual(['second', 'first'].map((name) => ({ url: url(name), title: 'A page' })));
    expect(digest?.lookups).toContainEqual({ tool: 'search', label: 'storm', passages: 0, hits: 3 });
    expect(context.digest).not.toHaveProperty('unread');
  });

  it('keeps what the model spoke of, though the question does not', () => {
    const clue = 'Thorne had a sister, Beatrix, who ran the telegraph office at Dunwich.';
    const heard: Turn = { role: 'model', text: 'So the sister Beatrix ran the telegraph at Dunwich.', calls: [] };
    const spoken = [question, ...noisySteps(5), ...step(clue), heard, ...noisySteps(40, 5)];
    const plan = planCompaction(spoken, wholeContext, 12_000, 12_000);
    if (plan === null) throw new Error('nothing could be compacted');
    const [first] = digestOf(spoken, { ...plan, kept: plan.kept.slice(0, 1) }).passages;
    const all = digestOf(spoken, plan).passages.map(({ text }) => text);
    expect(first).toBeDefined();
    expect(all).toContain(clue);
  });

  it('never lets the newest results go, were they larger than all the rest', () => {
    const large = [question, ...noisySteps(3), ...step(Array.from({ length: 40 }, (_, i) => noise(i)).join('\n'))];
    const plan = planCompaction(large, wholeContext, 12_000, 12_000);
    expect(plan === null || plan.from <= large.length - 2).toBe(true);
  });

  it('keeps replies and notices behind the newest results', () => {
    const notice: Turn = { role: 'notice', text: 'Mend it.' };
    const talk = [...turns, { role: 'model', text: 'x', calls: [] } as Turn, notice];
    const plan = planCompaction(talk, wholeContext, 12_000, 12_000);
    expect(plan?.from).toBeLessThanOrEqual(turns.length - 2);
  });

  it('compacts again from the whole record, and still has the first step in it', () => {
    let record: Turn[] = turns;
    let now = context;
    for (let round = 1; round <= 3; round++) {
      record = [...record, ...noisySteps(40, round * 100)];
      now = compacted(record, now, 12_000, 12_000);
      expect(now.digest?.passages.map(({ text }) => text)).toContain(fact);
    }
  });

  it('gives up where nothing new can go', () => {
    expect(planCompaction([question], wholeContext, 12_000, 12_000)).toBeNull();
    expect(planCompaction([question, ...step(noise(0))], wholeContext, 12_000, 12_000)).toBeNull();
    expect(planCompaction(turns, context, 12_000, 12_000)?.from ?? 0).not.toBe(context.from);
  });

  it('ends: however often it is asked in a row, the context only gets smaller until it says no: 1,000 runs', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(lengths, fc.integer({ min: 500, max: 20_000 }), (sizes, window) => {
        const all = [question, ...sizes.flatMap((size, i) => step(noise(i).slice(0, size * 4)))];
        let now: Context = wholeContext;
        for (let round = 0; ; round++) {
          expect(round).toBeLessThan(all.length);
          const plan = planCompaction(all, now, window, window);
          if (plan === null) return;
          expect(plan.from).toBeGreaterThan(now.from);
          now = { digest: digestOf(all, plan), from: plan.from, measured: null };
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
