/** Sessions at a generator: which are taken, and replies that began elsewhere. */
import { describe, expect, it } from '@jest/globals';
import { toyModel } from '../../../test/support/toy-model.ts';
import { Guides } from './constraint/guide.ts';
import { Generator, type GroupLimits } from './generate.ts';
import { SessionsFull } from './generation-faults.ts';
import type { GenerationRequest } from './job.ts';
import type { GenerationEvent } from './outbox.ts';
import type { Sampling } from './sampling.ts';

const END = 127;
const speech = { model: 'm', bytesOf: (id: number) => Uint8Array.of(id), endIds: new Set([END]), contextTokens: 400 };
const limits: GroupLimits = {
  ...{ kvTokens: 1_000, stepTokens: 64, running: 8, waiting: 8, retryAfterMs: 250 },
  weights: new Map(),
};
const sampling: Sampling = {
  ...{ temperature: 0.8, topP: 0.95, topK: 0, presencePenalty: 1, repetitionPenalty: 1.1 },
  ...{ seed: 7, stop: [], maxTokens: 40, logprobs: null },
};
const never = new AbortController().signal;

function stage(changes: Partial<GroupLimits> = {}) {
  const clock = { now: 0 };
  const model = toyModel({ vocabulary: 128 });
  return { clock, model, generator: new Generator(model, speech, { ...limits, ...changes }, () => clock.now) };
}

function asking(prompt: string, changes: Partial<GenerationRequest> = {}): GenerationRequest {
  const ids = [...Buffer.from(prompt)];
  return {
    ...{ tenant: 't', session: prompt, sampling, guide: null, priority: 0, abort: never, deadline: never },
    prompt: { ids, ending: prompt },
    ...changes,
  };
}

async function replyOf(events: AsyncIterable<GenerationEvent>) {
  const all: GenerationEvent[] = [];
  for await (const event of events) all.push(event);
  const deltas = all.filter((event) => event.kind === 'delta');
  const ids = deltas.flatMap(({ tokenIds }) => tokenIds);
  return { ids, text: deltas.map(({ text }) => text).join(''), first: all[0], last: all.at(-1) };
}

describe('a reply that began elsewhere', () => {
  it('ends as it would have, wherever it was cut, and is told from its beginning', async () => {
    const whole = await replyOf(stage().generator.generate(asking('the question')));
    for (let cut = 0; cut <= whole.ids.length; cut++) {
      const generated = whole.ids.slice(0, cut);
      const { generator, model } = stage();
      const again = await replyOf(generator.generate(asking('the question', { generated })));
      expect([again.ids, again.text, again.last]).toEqual([whole.ids, whole.text, whole.last]);
      // What is left to generate, and no more; what was there already is computed in one piece.
      expect(model.steps.length).toBe(whole.ids.length - cut);
    }
  });

  it('keeps to its form from where it was', async () => {
    const guides = new Guides({ ...speech, size: 128 });
    const form = { kind: 'regex' as const, pattern: '[a-f]{12}' };
    const held = { constraint: { form, path: 'regex' }, reasoningTokens: 0, isReasoning: false, stop: [] };
    const ask = (generated: readonly number[]) => asking('q', { guide: guides.guide(held), generated });
    const whole = await replyOf(stage().generator.generate(ask([])));
    expect(whole.text).toMatch(/^[a-f]{12}/);
    const again = await replyOf(stage().generator.generate(ask(whole.ids.slice(0, 5))));
    expect(again.text).toBe(whole.text);
  });

  it('costs nothing of what its pages still hold, and says how much of the prompt that is', async () => {
    const { generator } = stage();
    const prompt = 'q'.repeat(40);
    const whole = await replyOf(generator.generate(asking(prompt)));
    const again = await replyOf(generator.generate(asking(prompt, { generated: whole.ids.slice(0, 30) })));
    expect(again.first).toMatchObject({ kind: 'accepted', cachedTokens: 40 });
    expect(again.ids).toEqual(whole.ids);
  });
});

describe('sessions at a group', () => {
  const turn = async (generator: Generator, session: string, sessionTokens = 400) =>
    await replyOf(generator.generate(asking(session, { session, sessionTokens })));

  it('are taken while what they may need fits, and told when to come again otherwise', async () => {
    const { generator, clock } = stage();
    await turn(generator, 'a');
    await turn(generator, 'b');
    expect(generator.load).toMatchObject({ reservedTokens: 800, running: 0 });
    await expect(turn(generator, 'c')).rejects.toThrow(SessionsFull);
    await expect(turn(generator, 'c')).rejects.toMatchObject({ retryAfterMs: 60_000, retryable: true });
    await turn(generator, 'a');
    clock.now = 5_000;
    generator.release('a');
    await turn(generator, 'c');
    await expect(turn(generator, 'a')).rejects.toThrow(
      /^800 tokens are reserved for sessions, and a new one of 400 does not fit: come again in/,
    );
  });

  it('hold nothing without a name, and nothing when their first turn came to nothing', async () => {
    const { generator } = stage();
    await turn(generator, 'a');
    await turn(generator, 'b');
    await replyOf(generator.generate(asking('no name', { session: null, sessionTokens: 400 })));
    generator.release('b');
    const abort = new AbortController();
    const events = generator.generate(asking('c', { session: 'c', sessionTokens: 400, abort: abort.signal }));
    expect(generator.load.reservedTokens).toBe(800);
    abort.abort();
    await expect(replyOf(events)).rejects.toThrow(/stopped before its turn came/);
    expect(generator.load.reservedTokens).toBe(400);
  });

  it('count as a backlog what is new in their prompts', async () => {
    const { generator } = stage({ running: 1 });
    const first = await turn(generator, 'a'.repeat(100));
    const other = turn(generator, 'b'.repeat(50));
    const next = asking(`${'a'.repeat(100)}${first.text} and more`, { session: 'a'.repeat(100), sessionTokens: 400 });
    const waiting = replyOf(generator.generate(next));
    expect(generator.load.prefillBacklogTokens).toBe(50 + next.prompt.ids.length - 100 - first.ids.length);
    await Promise.all([other, waiting]);
  });
});
