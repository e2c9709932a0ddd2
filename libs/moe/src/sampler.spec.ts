import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Place, type Seen, sample } from './sampler.ts';
import { type Sampling, samplingOf } from './sampling.ts';

const plain: Sampling = {
  temperature: 1,
  topP: 1,
  topK: 0,
  presencePenalty: 0,
  repetitionPenalty: 1,
  seed: 5,
  stop: [],
  maxTokens: 100,
  logprobs: null,
};
const at = (position: number): Place => ({ position, allowed: null });
const unseen: Seen = { anywhere: new Set(), reply: new Set() };

/** ln of these: probabilities 0.5, 0.25, 0.125, 0.125. */
const logits = Float32Array.of(Math.log(2), Math.log(4), 0, 0);

function frequencies(settings: Partial<Sampling>, seen = unseen, draws = 20_000): number[] {
  const counts = new Array<number>(logits.length).fill(0);
  for (let position = 0; position < draws; position++) {
    const { id } = sample(logits, { ...plain, ...settings }, seen, at(position));
    counts[id] = (counts[id] ?? 0) + 1 / draws;
  }
  return counts;
}

/** Four standard deviations of 20,000 draws of probability 1/2 are 0.0141: one run in 15,000 would miss by chance. */
const close = (expected: readonly number[]) => expected.map((value) => expect.closeTo(value, 2) as unknown as number);
const near = (found: readonly number[], expected: readonly number[]) => {
  for (const [id, value] of expected.entries()) expect(Math.abs((found[id] ?? 0) - value)).toBeLessThan(0.0142);
};

describe('the sampler', () => {
  it('chooses among the allowed tokens alone, and tells probabilities among all', () => {
    const allowed = Uint32Array.of(0b1001);
    const counts = new Array<number>(logits.length).fill(0);
    for (let position = 0; position < 20_000; position++) {
      const { id } = sample(logits, { ...plain, topP: 0.9 }, unseen, { position, allowed });
      counts[id] = (counts[id] ?? 0) + 1 / 20_000;
    }
    near(counts, [2 / 3, 0, 0, 1 / 3]);
    const { id, logprobs } = sample(logits, { ...plain, temperature: 0, logprobs: 0 }, unseen, {
      position: 0,
      allowed,
    });
    expect({ id, chosen: Math.exp(logprobs?.chosen.logprob ?? 0) }).toEqual({ id: 0, chosen: expect.closeTo(0.25, 6) });
  });

  it('draws each token as often as its probability says', () => {
    near(frequencies({}), [0.25, 0.5, 0.125, 0.125]);
  });

  it('sharpens by a low temperature and flattens by a high one', () => {
    near(frequencies({ temperature: 0.5 }), [4 / 22, 16 / 22, 1 / 22, 1 / 22]);
    const flat = [Math.SQRT2, 2, 1, 1].map((weight) => weight / (4 + Math.SQRT2));
    near(frequencies({ temperature: 2 }), flat);
  });

  it('takes the arg max at temperature 0, ties to the lower id', () => {
    expect(sample(logits, { ...plain, temperature: 0 }, unseen, at(0)).id).toBe(1);
    expect(sample(Float32Array.of(1, 3, 3, 2), { ...plain, temperature: 0 }, unseen, at(0)).id).toBe(1);
  });

  it('keeps the most probable k, and of a tie the lower id', () => {
    near(frequencies({ topK: 3 }), [2 / 7, 4 / 7, 1 / 7, 0]);
    near(frequencies({ topK: 1 }), [0, 1, 0, 0]);
  });

  it('keeps the fewest tokens that reach top-p, the one that crosses it included', () => {
    near(frequencies({ topP: 0.75 }), [1 / 3, 2 / 3, 0, 0]);
    near(frequencies({ topP: 0.76 }), [2 / 7, 4 / 7, 1 / 7, 0]);
    near(frequencies({ topP: 0.01 }), [0, 1, 0, 0]);
  });

  it('cuts by top-p within what top-k left', () => {
    // Of the three kept, the first two hold 6/7.
    near(frequencies({ topK: 3, topP: 0.85 }), [1 / 3, 2 / 3, 0, 0]);
    near(frequencies({ topK: 3, topP: 0.86 }), [2 / 7, 4 / 7, 1 / 7, 0]);
  });

  it('takes the presence penalty off the tokens of the reply, once', () => {
    const seen: Seen = { anywhere: new Set([0, 1]), reply: new Set([1]) };
    near(frequencies({ presencePenalty: Math.log(2) }, seen), [1 / 3, 1 / 3, 1 / 6, 1 / 6]);
  });

  it('applies the repetition penalty to prompt and reply: positive logits are divided, negative ones multiplied', () => {
    const greedy = { ...plain, temperature: 0, repetitionPenalty: 2 };
    const seen: Seen = { anywhere: new Set([0]), reply: new Set() };
    expect(sample(Float32Array.of(3, 2), greedy, seen, at(0)).id).toBe(1);
    expect(sample(Float32Array.of(-1, -1.5), greedy, seen, at(0)).id).toBe(1);
    expect(sample(Float32Array.of(3, 2), greedy, unseen, at(0)).id).toBe(0);
  });

  it('gives the same for the same seed and position, and depends on nothing drawn before', () => {
    const alone = sample(logits, plain, unseen, at(17)).id;
    for (let position = 0; position < 5; position++) sample(logits, plain, unseen, at(position));
    expect(sample(logits, plain, unseen, at(17)).id).toBe(alone);
    const other = Array.from({ length: 64 }, (_, i) => sample(logits, { ...plain, seed: 6 }, unseen, at(i)).id);
    const ours = Array.from({ length: 64 }, (_, i) => sample(logits, plain, unseen, at(i)).id);
    expect(other).not.toEqual(ours);
  });

  it('tells the log-probabilities of the model itself, whatever the settings did', () => {
    const settings = { ...plain, temperature: 0, presencePenalty: 2, logprobs: 3 };
    const { id, logprobs } = sample(logits, settings, { anywhere: new Set([1]), reply: new Set([1]) }, at(0));
    expect(id).toBe(0);
    expect(logprobs?.chosen).toEqual({ id: 0, logprob: expect.closeTo(Math.log(0.25), 6) });
    expect(logprobs?.top.map(({ id: top }) => top)).toEqual([1, 0, 2]);
    expect(logprobs?.top.map(({ logprob }) => Math.exp(logprob))).toEqual(close([0.5, 0.25, 0.125]));
    expect(sample(logits, { ...settings, logprobs: 0 }, unseen, at(0)).logprobs?.top).toEqual([]);
  });

  it('keeps what a plain sort of all tokens keeps, for any logits and cuts', () => {
    const values = fc.array(fc.double({ min: -30, max: 30, noNaN: true }), { minLength: 1, maxLength: 60 });
    const cuts = fc.record({ topK: fc.nat(8), topP: fc.double({ min: 0.01, max: 1, noNaN: true }) });
    fc.assert(
      fc.property(values, cuts, fc.nat(1000), (given, { topK, topP }, position) => {
        const row = Float32Array.from(given);
        const { id } = sample(row, { ...plain, topK, topP }, unseen, at(position));
        expect(keptBySort(row, topK, topP)).toContain(id);
      }),
      { numRuns: 500 },
    );
  });

  it('refuses logits that hold NaN or nothing finite', () => {
    expect(() => sample(Float32Array.of(1, Number.NaN), { ...plain, temperature: 0 }, unseen, at(0))).toThrow(/NaN/);
    expect(() => sample(Float32Array.of(Number.NaN, 1), plain, unseen, at(0))).toThrow(/NaN/);
    expect(() => sample(Float32Array.of(1, Infinity), plain, unseen, at(0))).toThrow(/finite/);
    expect(() => sample(Float32Array.of(-Infinity, -Infinity), plain, unseen, at(0))).toThrow(/finite/);
  });
});

function keptBySort(row: Float32Array, topK: number, topP: number): number[] {
  const most = Math.max(...row);
  const all = [...row].map((logit, id) => ({ id, weight: Math.exp(logit - most) }));
  all.sort((a, b) => b.weight - a.weight || a.id - b.id);
  const kept = topK > 0 ? all.slice(0, topK) : all;
  const total = kept.reduce((sum, { weight }) => sum + weight, 0);
  // Sums in another order differ in their last bits: whoever sits on the border may go either way.
  let sum = 0;
  const within: number[] = [];
  for (const { id, weight } of kept) {
    within.push(id);
    sum += weight;
    if (sum >= topP * total * (1 + 1e-12)) break;
  }
  return within;
}

describe('sampling settings', () => {
  it('are completed with the defaults of the model', () => {
    const asked = { temperature: 0.3, topP: undefined, seed: 9 };
    expect(samplingOf(asked, { ...plain, topP: 0.8 }, 4)).toEqual({ ...plain, topP: 0.8, temperature: 0.3, seed: 9 });
  });

  it('are refused field by field where they make no sense', () => {
    const absurd = {
      temperature: -0.1,
      topP: 0,
      topK: 5,
      presencePenalty: 2.5,
      repetitionPenalty: 0,
      seed: 2 ** 53,
      maxTokens: 0,
      logprobs: 21,
      stop: ['', 'x'.repeat(257), 'fine'],
    };
    const wanted = ['temperature', 'top_p', 'top_k', 'presence_penalty', 'repetition_penalty', 'seed', 'max_tokens'];
    const paths = [...wanted, 'logprobs', 'stop[0]', 'stop[1]'].map((name) => `sampling.${name}`);
    expect(problemsOf(absurd)).toEqual(paths);
    expect(problemsOf({ temperature: Number.NaN, topP: Infinity })).toEqual(['sampling.temperature', 'sampling.top_p']);
    expect(problemsOf({ stop: new Array<string>(17).fill('x') })).toEqual(['sampling.stop']);
    expect(problemsOf({ temperature: 0, topK: 4, topP: 1, seed: 2 ** 53 - 1 })).toEqual([]);
  });
});

function problemsOf(asked: Parameters<typeof samplingOf>[0]): string[] {
  try {
    samplingOf(asked, plain, 4);
    return [];
  } catch (error) {
    return (error as { problems: { path: string }[] }).problems.map(({ path }) => path);
  }
}
