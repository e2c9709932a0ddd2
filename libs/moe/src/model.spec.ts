import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Checkpoint, localExperts, type Model, openModel, plainBackend, tinyShape, writeRandomCheckpoint } from '#moe';

/** Little to compute, so that a busy machine is in time. */
const small = { ...tinyShape, layers: 2, hidden: 16, headDim: 8, experts: 8, expertWidth: 8, files: 2 };
const signal = new AbortController().signal;

describe('a model', () => {
  let folder: string;
  let model: Model;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'argosy-moe-'));
    await writeRandomCheckpoint(folder, small, 7);
    const checkpoint = await Checkpoint.open(folder);
    const backend = plainBackend();
    model = await openModel(checkpoint, backend, await localExperts(checkpoint, backend));
    await checkpoint.close();
  });
  afterAll(() => rm(folder, { recursive: true }));

  const text = (seed: number, length: number) => Array.from({ length }, (_, i) => (seed * 31 + i * i * 7) % 256);
  const alone = async (tokens: readonly number[], cuts: readonly number[] = []) => {
    const sequence = model.open();
    let logits: Float32Array | undefined;
    for (const [i, start] of [0, ...cuts].entries()) {
      [logits] = await model.step([{ sequence, tokens: tokens.slice(start, cuts[i]) }], signal);
    }
    expect(sequence.length).toBe(tokens.length);
    sequence.close();
    return logits;
  };

  it('gives the same bits for a text in one step and in pieces', async () => {
    const whole = await alone(text(1, 20));
    expect(await alone(text(1, 20), [1, 2, 9, 19])).toEqual(whole);
    expect(await alone(text(2, 20))).not.toEqual(whole);
  });

  it('gives the same bits alone and among 32 others', async () => {
    const texts = Array.from({ length: 33 }, (_, i) => text(i, 1 + (i % 5)));
    const batch = texts.map((tokens) => ({ sequence: model.open(), tokens }));
    const together = await model.step(batch, signal);
    for (const i of [0, 3, 17, 32]) expect(together[i]).toEqual(await alone(texts[i] ?? []));
    for (const { sequence } of batch) sequence.close();
  });

  it('goes on from where a sequence was cut', async () => {
    const sequence = model.open();
    await model.step([{ sequence, tokens: [...text(1, 10), ...text(5, 10)] }], signal);
    sequence.truncate(10);
    const [logits] = await model.step([{ sequence, tokens: text(3, 4) }], signal);
    expect(logits).toEqual(await alone([...text(1, 10), ...text(3, 4)]));
    expect(() => sequence.truncate(15)).toThrow(/14 tokens cannot be cut to 15/);
    sequence.close();
  });

  it('appends nothing when a step fails, and gives the same when it is repeated', async () => {
    const sequence = model.open();
    await model.step([{ sequence, tokens: text(1, 5) }], signal);
    await expect(model.step([{ sequence, tokens: [1] }], AbortSignal.abort())).rejects.toMatchObject({
      code: 'aborted',
    });
    expect(sequence.length).toBe(5);
    const [logits] = await model.step([{ sequence, tokens: [1] }], signal);
    expect(logits).toEqual(await alone([...text(1, 5), 1]));
    sequence.close();
  });

  it.each([
    ['no token', [], /batch\[0\]\.tokens: is empty/],
    ['a token that the vocabulary does not have', [1, 265], /tokens\[1\]: is 265; the model's tokens are 0 to 264/],
    ['a fraction', [0.5], /tokens\[0\]: is 0\.5/],
    ['more than the context holds', Array(4097).fill(1), /would make 4097 tokens; the model's context holds 4096/],
  ])('refuses %s', async (_case, tokens, message) => {
    const sequence = model.open();
    await expect(model.step([{ sequence, tokens }], signal)).rejects.toThrow(message);
    sequence.close();
  });

  it('ends a step well whose sequence is closed meanwhile', async () => {
    const sequence = model.open();
    const step = model.step([{ sequence, tokens: text(1, 6) }], signal);
    sequence.close();
    expect((await step)[0]).toEqual(await alone(text(1, 6)));
    await expect(model.step([{ sequence, tokens: [1] }], signal)).rejects.toThrow(/closed/);
  });

  it('gives no logits that are no numbers', async () => {
    const checkpoint = await Checkpoint.open(folder);
    const broken = { apply: async (_layer: number, x: Float32Array) => new Float32Array(x.length).fill(NaN) };
    const wrong = await openModel(checkpoint, plainBackend(), broken);
    await checkpoint.close();
    const step = wrong.step([{ sequence: wrong.open(), tokens: [1] }], signal);
    await expect(step).rejects.toMatchObject({ code: 'invalid_state' });
  });

  it('ends the loading of a model that is no longer wanted', async () => {
    const checkpoint = await Checkpoint.open(folder);
    const options = { signal: AbortSignal.abort() };
    const backend = plainBackend();
    await expect(localExperts(checkpoint, backend, options)).rejects.toMatchObject({ code: 'aborted' });
    const experts = { apply: async (_layer: number, x: Float32Array) => x };
    await expect(openModel(checkpoint, backend, experts, options)).rejects.toMatchObject({ code: 'aborted' });
    await checkpoint.close();
  });

  it('takes a sequence that is in a step, or closed, for a bug of the caller', async () => {
    const sequence = model.open();
    const first = model.step([{ sequence, tokens: [1] }], signal);
    await expect(model.step([{ sequence, tokens: [1] }], signal)).rejects.toThrow(/in a step already/);
    await first;
    const twice = { sequence, tokens: [1] };
    await expect(model.step([twice, twice], signal)).rejects.toThrow(/in the batch twice/);
    sequence.close();
    await expect(model.step([{ sequence, tokens: [1] }], signal)).rejects.toThrow(/closed/);
  });
});
