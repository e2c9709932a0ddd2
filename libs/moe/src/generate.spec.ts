import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { type ToyModel, type ToyOptions, toyModel } from '../../../test/support/toy-model.ts';
import type { Constraint } from './constraint/constraint.ts';
import { NothingCanFollow } from './constraint/faults.ts';
import { Guides } from './constraint/guide.ts';
import { Generator, type GroupLimits } from './generate.ts';
import type { Finished } from './generation.ts';
import { Draining, NoRoom, PromptTooLong } from './generation-faults.ts';
import type { GenerationRequest } from './job.ts';
import type { GenerationEvent } from './outbox.ts';
import type { Sampling } from './sampling.ts';

const END = 127;
const speech = { model: 'm', bytesOf: (id: number) => Uint8Array.of(id), endIds: new Set([END]), contextTokens: 400 };
const roomy: GroupLimits = {
  kvTokens: 100_000,
  stepTokens: 64,
  running: 64,
  waiting: 64,
  retryAfterMs: 250,
  weights: new Map(),
};
const greedy: Sampling = {
  temperature: 0,
  topP: 1,
  topK: 0,
  presencePenalty: 0,
  repetitionPenalty: 1,
  seed: 1,
  stop: [],
  maxTokens: 40,
  logprobs: null,
};
const never = new AbortController().signal;

function generatorOf(model: ToyModel, limits: Partial<GroupLimits> = {}): Generator {
  return new Generator(model, speech, { ...roomy, ...limits }, () => 0);
}

const toy = (options: Partial<ToyOptions> = {}) => toyModel({ vocabulary: 128, ...options });

function asking(prompt: string, changes: Partial<GenerationRequest> = {}): GenerationRequest {
  const ids = [...Buffer.from(prompt)];
  return {
    tenant: 't',
    session: prompt,
    prompt: { ids, ending: prompt },
    sampling: greedy,
    guide: null,
    priority: 0,
    abort: never,
    deadline: never,
    ...changes,
  };
}

interface Reply {
  readonly text: string;
  readonly ids: readonly number[];
  readonly events: readonly GenerationEvent[];
  readonly cached: number;
  readonly finished: Finished;
}

async function replyOf(events: AsyncIterable<GenerationEvent>): Promise<Reply> {
  const all: GenerationEvent[] = [];
  for await (const event of events) all.push(event);
  const deltas = all.filter((event) => event.kind === 'delta');
  const [accepted, finished] = [all[0], all.at(-1)];
  if (accepted?.kind !== 'accepted' || finished?.kind !== 'finished') throw new Error(JSON.stringify(all));
  const ids = deltas.flatMap(({ tokenIds }) => tokenIds);
  return { text: deltas.map(({ text }) => text).join(''), ids, events: all, cached: accepted.cachedTokens, finished };
}

/** A model that says these bytes behind a prompt of this length, and then ends. */
function saying(text: string, promptLength = 'prompt'.length): ToyModel {
  const bytes = [...Buffer.from(text)];
  return toy({
    logits: (tokens, vocabulary) => {
      const row = new Float32Array(vocabulary);
      row[bytes[tokens.length - promptLength] ?? END] = 9;
      return row;
    },
  });
}

describe('a generation', () => {
  it('tells its tokens, its text and its usage', async () => {
    const { text, ids, cached, finished } = await replyOf(generatorOf(saying('hello')).generate(asking('prompt')));
    expect({ text, cached }).toEqual({ text: 'hello\x7f', cached: 0 });
    expect(ids).toEqual([...Buffer.from('hello'), END]);
    expect(finished).toEqual({
      kind: 'finished',
      reason: 'stop',
      stop: null,
      promptTokens: 6,
      cachedTokens: 0,
      completionTokens: 6,
      shareMs: 0,
    });
  });

  it('ends before a stop string that crosses tokens, and names it', async () => {
    const request = asking('prompt', { sampling: { ...greedy, stop: ['<end>'] } });
    const { text, ids, finished } = await replyOf(generatorOf(saying('a <en <end> b')).generate(request));
    expect({ text, reason: finished.reason, stop: finished.stop }).toEqual({
      text: 'a <en ',
      reason: 'stop',
      stop: '<end>',
    });
    // All that was generated is told and counted, also the stop string.
    expect(Buffer.from(ids).toString()).toBe('a <en <end>');
    expect(finished.completionTokens).toBe(11);
  });

  it('ends at its limit of tokens and at the end of the context', async () => {
    const short = asking('prompt', { sampling: { ...greedy, maxTokens: 3 } });
    expect((await replyOf(generatorOf(saying('hello')).generate(short))).finished).toMatchObject({
      reason: 'length',
      completionTokens: 3,
    });
    const long = asking('x'.repeat(395), { sampling: { ...greedy, maxTokens: 100 } });
    expect((await replyOf(generatorOf(saying('y'.repeat(99), 395)).generate(long))).finished).toMatchObject({
      reason: 'context',
      completionTokens: 5,
    });
  });

  it('parts thinking from content', async () => {
    const { events } = await replyOf(generatorOf(saying('<think>hm</think>yes')).generate(asking('prompt')));
    const told = new Map<string, string>();
    for (const event of events) {
      if (event.kind === 'delta') told.set(event.channel, (told.get(event.channel) ?? '') + event.text);
    }
    expect(Object.fromEntries(told)).toEqual({ reasoning: '<think>hm</think>', content: 'yes\x7f' });
  });

  it('tells the log-probabilities of each token', async () => {
    const request = asking('prompt', { sampling: { ...greedy, logprobs: 2, maxTokens: 4 } });
    const { events, ids } = await replyOf(generatorOf(toy()).generate(request));
    const told = events.flatMap((event) => (event.kind === 'delta' ? event.logprobs : []));
    expect(told.map(({ chosen }) => chosen.id)).toEqual(ids);
    for (const { chosen, top } of told) expect(top[0]).toEqual(chosen);
  });

  it('refuses a prompt that leaves no room', () => {
    const generator = generatorOf(toy());
    expect(() => generator.generate(asking('x'.repeat(400)))).toThrow(PromptTooLong);
    expect(() => generator.generate(asking('x'.repeat(400)))).toThrow(/400 tokens and the context holds 400/);
    expect(generatorOf(toy(), { kvTokens: 50 }).contextTokens).toBe(48);
  });
});

describe('generations in one batch', () => {
  const prompts = Array.from({ length: 33 }, (_, i) => `${'long '.repeat(i % 7)}prompt ${i}`);
  const sampled = (i: number): Sampling => ({
    ...greedy,
    temperature: 0.9,
    topP: 0.9,
    seed: i,
    maxTokens: 10 + ((i * 13) % 60),
  });
  const request = (i: number) => asking(prompts[i] ?? '', { sampling: sampled(i) });

  it('are the same as alone, whoever joins and leaves', async () => {
    const alone = [];
    for (const i of prompts.keys()) alone.push((await replyOf(generatorOf(toy()).generate(request(i)))).ids);
    const model = toy();
    const generator = generatorOf(model, { running: 12, stepTokens: 24 });
    const together = await Promise.all(prompts.map((_, i) => replyOf(generator.generate(request(i)))));
    expect(together.map(({ ids }) => ids)).toEqual(alone);
    // They did share steps, prompts came in pieces, and no step was larger than allowed.
    expect(Math.max(...model.steps.map((step) => step.length))).toBe(12);
    for (const step of model.steps) expect(step.reduce((sum, { tokens }) => sum + tokens, 0)).toBeLessThanOrEqual(24);
    expect(new Set(together.map(({ text }) => text)).size).toBe(33);
  });

  it('differ by their seeds', async () => {
    const texts = await Promise.all(
      [1, 2, 1].map((seed) =>
        replyOf(generatorOf(toy()).generate(asking('prompt', { sampling: { ...sampled(3), seed } }))),
      ),
    );
    expect(texts[0]?.ids).toEqual(texts[2]?.ids);
    expect(texts[0]?.ids).not.toEqual(texts[1]?.ids);
  });

  it('draw anew at each place, also where the model says the same', async () => {
    const model = toy({ logits: (_, vocabulary) => new Float32Array(vocabulary) });
    const sampling = { ...greedy, temperature: 1 };
    const { ids } = await replyOf(generatorOf(model).generate(asking('prompt', { sampling })));
    // 40 draws of 128 tokens, or as many as come before the end: one repeated number would give one token.
    expect(new Set(ids).size).toBeGreaterThan(ids.length / 2);
    expect(ids.length).toBeGreaterThan(5);
  });

  it('get places by priority and then by arrival', async () => {
    const generator = generatorOf(toy(), { running: 1 });
    const done: string[] = [];
    const run = async (prompt: string, priority: number) => {
      await replyOf(generator.generate(asking(prompt, { priority, sampling: { ...greedy, maxTokens: 2 } })));
      done.push(prompt);
    };
    await Promise.all([run('first', 0), run('second', 0), run('urgent', 5), run('third', 0)]);
    expect(done).toEqual(['urgent', 'first', 'second', 'third']);
  });

  it('wait for room in the cache, and are refused when too many wait', async () => {
    const model = toy();
    const generator = generatorOf(model, { kvTokens: 100, waiting: 2 });
    const long = ['a', 'b'].map((letter) => letter.repeat(70));
    const replies = long.map((prompt) => replyOf(generator.generate(asking(prompt))));
    expect(() => generator.generate(asking('c'))).toThrow(NoRoom);
    await Promise.all(replies);
    expect(Math.max(...model.steps.map((step) => step.length))).toBe(1);
    expect(generator.load).toMatchObject({ preemptions: 0 });
    expect(generator.load.kvUsedTokens).toBeLessThanOrEqual(100);
  });

  it('give their room to older ones when it ends, and say the same all the same', async () => {
    const alone = [];
    for (const i of [1, 2, 3, 4, 5, 6]) alone.push((await replyOf(generatorOf(toy()).generate(request(i)))).ids);
    const generator = generatorOf(toy(), { kvTokens: 128, stepTokens: 24 });
    const together = await Promise.all([1, 2, 3, 4, 5, 6].map((i) => replyOf(generator.generate(request(i)))));
    expect(together.map(({ ids }) => ids)).toEqual(alone);
    expect(generator.load.preemptions).toBeGreaterThan(0);
    for (const { events, finished, cached } of together) {
      expect(events.filter(({ kind }) => kind === 'accepted')).toHaveLength(1);
      // What was found when it was computed anew saved its caller nothing, and is not told.
      expect(finished.cachedTokens).toBe(cached);
    }
  });

  it('end with what they have when they are stopped while they wait to be computed anew', async () => {
    const abort = new AbortController();
    const during = async () => {
      if (generator.load.preemptions > 0) abort.abort();
    };
    const generator = generatorOf(toy({ during, logits: saying0 }), { kvTokens: 64 });
    const asked = (prompt: string) => generator.generate(asking(prompt, { abort: abort.signal }));
    const [first, second] = await Promise.all(['first', 'second'].map((prompt) => replyOf(asked(prompt))));
    expect(first?.finished.reason).toBe('aborted');
    expect(second?.finished).toMatchObject({ reason: 'aborted', completionTokens: second?.ids.length });
    expect(second?.ids.length).toBeGreaterThan(0);
  });

  it('share the steps between tenants, whoever came with more', async () => {
    const generator = generatorOf(toy(), { running: 2 });
    const done: string[] = [];
    const run = async (tenant: string, number: number) => {
      const request = asking(`${tenant} has question ${number}`, { tenant, sampling: { ...greedy, maxTokens: 4 } });
      await replyOf(generator.generate(request));
      done.push(tenant);
    };
    await Promise.all([...Array.from({ length: 12 }, (_, i) => run('many', i)), run('few', 1), run('few', 2)]);
    expect(done.lastIndexOf('few')).toBeLessThan(6);
  });
});

describe('the end of a generation before its time', () => {
  it('comes within one step of its abort, and what was generated stands', async () => {
    const abort = new AbortController();
    const model = toy({ during: async (step) => (step === 5 ? abort.abort() : undefined), logits: saying0 });
    const { finished, ids } = await replyOf(generatorOf(model).generate(asking('prompt', { abort: abort.signal })));
    expect(finished).toMatchObject({ reason: 'aborted', completionTokens: 4 });
    expect(ids).toHaveLength(4);
    expect(model.steps).toHaveLength(5);
  });

  it('breaks a step off that nobody waits for', async () => {
    const abort = new AbortController();
    const during = async (step: number, signal: AbortSignal) => {
      if (step < 3) return;
      abort.abort();
      if (!signal.aborted) await once(signal, 'abort');
    };
    const generator = generatorOf(toy({ during, logits: saying0 }));
    const { finished } = await replyOf(generator.generate(asking('prompt', { abort: abort.signal })));
    expect(finished).toMatchObject({ reason: 'aborted', completionTokens: 2 });
    // The step that was broken off added nothing; what came before it is kept.
    expect(generator.load).toMatchObject({ running: 0, kvUsedTokens: 0 });
  });

  it('comes with the deadline, and leaves others alone', async () => {
    const deadline = new AbortController();
    const model = toy({ during: async (step) => (step === 5 ? deadline.abort(1_000) : undefined), logits: saying0 });
    const generator = generatorOf(model);
    const [late, other] = await Promise.all([
      replyOf(generator.generate(asking('late', { deadline: deadline.signal }))),
      replyOf(generator.generate(asking('other'))),
    ]);
    expect(late.finished).toMatchObject({ reason: 'deadline', completionTokens: 4 });
    expect(other.finished).toMatchObject({ reason: 'length', completionTokens: 40 });
  });

  it('is an error for one that never got a place', async () => {
    const [abort, deadline] = [new AbortController(), new AbortController()];
    const generator = generatorOf(toy(), { running: 1 });
    const first = replyOf(generator.generate(asking('first')));
    const stopped = replyOf(generator.generate(asking('second', { abort: abort.signal })));
    const late = replyOf(generator.generate(asking('third', { deadline: deadline.signal })));
    abort.abort();
    deadline.abort(70);
    await expect(stopped).rejects.toThrow('the generation was stopped before its turn came');
    await expect(late).rejects.toThrow('a place in the batch gave no result within 70 ms');
    expect((await first).finished.reason).toBe('length');
  });

  it('is the error of a step that failed, for those who were in it; the next ones are served', async () => {
    const model = toy({
      during: async (step) => (step === 2 ? Promise.reject(new Error('a shard is lost')) : undefined),
    });
    const generator = generatorOf(model);
    const replies = ['a', 'b'].map((prompt) => replyOf(generator.generate(asking(prompt))));
    for (const reply of replies) await expect(reply).rejects.toThrow('a shard is lost');
    expect(generator.load).toMatchObject({ running: 0, waiting: 0, kvUsedTokens: 0 });
    expect((await replyOf(generator.generate(asking('c')))).finished.reason).toBe('length');
  });

  it('is an error where the model gives no numbers', async () => {
    const model = toy({ logits: (_, vocabulary) => new Float32Array(vocabulary).fill(Number.NaN) });
    await expect(replyOf(generatorOf(model).generate(asking('a')))).rejects.toThrow(/weights of the model are damaged/);
  });
});

describe('a reply that is held to a form', () => {
  const guides = new Guides({ size: 128, ...speech });
  const form: Constraint = {
    kind: 'json',
    schema:
      '{"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"},"maxItems":4}},"required":["a"]}',
    loose: false,
    without: [],
  };
  const guide = (one = form) =>
    guides.guide({ constraint: { form: one, path: 'grammar' }, reasoningTokens: 3, isReasoning: false, stop: [] });
  const sampling: Sampling = { ...greedy, temperature: 1, maxTokens: 150 };
  const request = (i: number, changes: Partial<GenerationRequest> = {}) =>
    asking(`prompt ${i}`, { sampling: { ...sampling, seed: i }, guide: i % 3 === 2 ? null : guide(), ...changes });

  it('has it once it is whole, and says where it was cut', async () => {
    const reasons = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const maxTokens = i % 2 === 0 ? 150 : 20;
      const asked = request(i, { guide: guide(), sampling: { ...sampling, seed: i, maxTokens } });
      const { text, finished } = await replyOf(generatorOf(toy()).generate(asked));
      expect(JSON.parse(text.replace(/^<think>.*?<\/think>/s, '').replace(/\x7f$/, ''))).toEqual({
        a: expect.any(Array),
      });
      reasons.add(finished.reason);
    }
    // Where the tokens were scarce it was brought to its end, and says so.
    expect(reasons).toEqual(new Set(['stop', 'length']));
    const short = request(1, { guide: guide(), sampling: { ...sampling, maxTokens: 5 } });
    const { text, finished } = await replyOf(generatorOf(toy()).generate(short));
    expect({ length: text.length, reason: finished.reason }).toEqual({ length: 5, reason: 'length' });
  });

  it('is the same alone and among others, those that gave their pages up and were computed anew included', async () => {
    const alone = [];
    const numbers = Array.from({ length: 9 }, (_, i) => i);
    for (const i of numbers) alone.push((await replyOf(generatorOf(toy()).generate(request(i)))).ids);
    const generator = generatorOf(toy(), { kvTokens: 192, stepTokens: 24 });
    const together = await Promise.all(numbers.map((i) => replyOf(generator.generate(request(i)))));
    expect(together.map(({ ids }) => ids)).toEqual(alone);
    expect(generator.load.preemptions).toBeGreaterThan(0);
  });

  it('goes on behind what another group generated of it, and ends as it would have', async () => {
    const most = { maxTokens: 30 };
    for (let i = 0; i < 6; i++) {
      const asked = () => request(i, { guide: guide(), sampling: { ...sampling, ...most, seed: i } });
      const whole = await replyOf(generatorOf(toy()).generate(asked()));
      for (const generated of [whole.ids.slice(0, 5), whole.ids.slice(0, -1)]) {
        const { ids, finished } = await replyOf(generatorOf(toy()).generate({ ...asked(), generated }));
        expect({ ids, reason: finished.reason }).toEqual({ ids: whole.ids, reason: whole.finished.reason });
      }
    }
  });

  it('fails alone where nothing can follow', async () => {
    const poor = new Guides({
      ...speech,
      size: 128,
      bytesOf: (id) => (id === 0x61 ? Uint8Array.of(id) : new Uint8Array(0)),
    });
    const regex: Constraint = { kind: 'regex', pattern: 'ab' };
    const held = { constraint: { form: regex, path: 'regex' }, reasoningTokens: 0, isReasoning: false, stop: [] };
    const generator = generatorOf(toy());
    const other = replyOf(generator.generate(asking('other')));
    await expect(replyOf(generator.generate(asking('p', { guide: poor.guide(held) })))).rejects.toThrow(
      NothingCanFollow,
    );
    expect((await other).finished.reason).toBe('length');
  });
});

/** The letter y for ever. */
function saying0(_tokens: readonly number[], vocabulary: number): Float32Array {
  const row = new Float32Array(vocabulary);
  row[0x79] = 9;
  return row;
}

describe('the turns of a session', () => {
  const turn = (generator: Generator, prompt: string, session = 's') =>
    replyOf(generator.generate(asking(prompt, { session })));

  it('compute only what is new in a prompt that goes on from the turn before', async () => {
    const model = toy({ logits: saying0 });
    const generator = generatorOf(model);
    const first = await turn(generator, 'the question');
    const before = model.steps.length;
    const second = await turn(generator, `the question${first.text} and more`);
    // Of 51 tokens that the model has seen, three whole pages.
    expect(second.cached).toBe(48);
    expect(second.finished).toMatchObject({ promptTokens: 61, cachedTokens: 48 });
    expect(model.steps[before]).toEqual([{ position: 48, tokens: 13 }]);
  });

  it('give the same text as without a cache', async () => {
    const generator = generatorOf(toy());
    await turn(generator, 'the question is one');
    const warm = await turn(generator, 'the question is another one');
    const cold = await turn(generatorOf(toy()), 'the question is another one');
    expect(warm.cached).toBe(16);
    expect(warm.ids).toEqual(cold.ids);
  });

  it('leave the last token of a prompt to compute, also where all of it was computed before', async () => {
    const generator = generatorOf(toy());
    const prompt = 'q'.repeat(32);
    const first = await turn(generator, prompt);
    const again = await turn(generator, prompt);
    expect(again.cached).toBe(16);
    expect(again.ids).toEqual(first.ids);
  });

  it('find what other sessions of their tenant began with, and nothing of another tenant', async () => {
    const generator = generatorOf(toy({ logits: saying0 }));
    const system = 'You are a research agent. ';
    await turn(generator, `${system}Why?`, 'a');
    expect((await turn(generator, `${system}How?`, 'b')).cached).toBe(16);
    const foreign = asking(`${system}Why?`, { session: 'a', tenant: 'other' });
    expect((await replyOf(generator.generate(foreign))).cached).toBe(0);
  });

  it('make room for those in need, the least recently used first', async () => {
    const generator = generatorOf(toy({ logits: saying0 }), { kvTokens: 160 });
    await turn(generator, 'a question', 'a');
    await turn(generator, 'b question', 'b');
    // Each has three whole pages of its 49 tokens.
    expect(generator.load).toMatchObject({ residentSessions: 2, kvUsedTokens: 96, running: 0, reservedTokens: 0 });
    await turn(generator, 'q'.repeat(50), 'c');
    // Two pages of the oldest gave way, and the last of c's own was not whole.
    expect(generator.load).toMatchObject({ kvUsedTokens: 144 });
    expect((await turn(generator, `b question${'y'.repeat(40)}`, 'b')).cached).toBe(48);
    expect((await turn(generator, `a question${'y'.repeat(40)}`, 'a')).cached).toBeLessThan(48);
  });

  it('are forgotten on release', async () => {
    const generator = generatorOf(toy({ logits: saying0 }));
    await turn(generator, 'question');
    expect(generator.load).toMatchObject({ residentSessions: 1, kvUsedTokens: 32 });
    expect(generator.release('s')).toBe(32);
    expect(generator.release('s')).toBe(0);
    expect(generator.load).toMatchObject({ residentSessions: 0, kvUsedTokens: 0 });
  });

  it('are known by their name alone, which one without has not', async () => {
    const generator = generatorOf(toy({ logits: saying0 }));
    await replyOf(generator.generate(asking('question', { session: null })));
    expect(generator.load).toMatchObject({ residentSessions: 0, kvUsedTokens: 32 });
    generator.draining = true;
    expect(() => generator.generate(asking('question', { session: null }))).toThrow(Draining);
  });

  it('go on while the group drains; new ones are refused until that is called off', async () => {
    const generator = generatorOf(toy({ logits: saying0 }));
    await turn(generator, 'question');
    generator.draining = true;
    expect((await turn(generator, `question${'y'.repeat(30)}`)).cached).toBe(32);
    expect(() => generator.generate(asking('new'))).toThrow(Draining);
    generator.draining = false;
    expect((await turn(generator, 'new', 'n')).finished.reason).toBe('length');
  });
});
