import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Checkpoint, localExperts, type Model, openModel, plainBackend, tinyShape, writeRandomCheckpoint } from '#moe';
import { PagedText } from '../../../test/support/paged-text.ts';

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
    const paged = new PagedText(model);
    let logits: Float32Array | undefined;
    for (const [i, start] of [0, ...cuts].entries()) logits = await paged.append(tokens.slice(start, cuts[i]), signal);
    return logits;
  };

  it('gives the same bits for a text in one step and in pieces', async () => {
    const whole = await alone(text(1, 20));
    expect(await alone(text(1, 20), [1, 2, 9, 19])).toEqual(whole);
    expect(await alone(text(2, 20))).not.toEqual(whole);
  });

  it('gives the same bits alone and among 32 others', async () => {
    const texts = Array.from({ length: 33 }, (_, i) => text(i, 1 + (i % 5)));
    const together = await model.step(
      texts.map((tokens) => new PagedText(model).part(tokens)),
      signal,
    );
    for (const i of [0, 3, 17, 32]) expect(together[i]).toEqual(await alone(texts[i] ?? []));
  });

  it('goes on from where a text was cut', async () => {
    const paged = new PagedText(model);
    await paged.append([...text(1, 10), ...text(5, 10)], signal);
    paged.length = 10;
    expect(await paged.append(text(3, 4), signal)).toEqual(await alone([...text(1, 10), ...text(3, 4)]));
  });

  it('gives the same bits for texts that share the pages of their beginning', async () => {
    const first = new PagedText(model);
    await first.append([...text(1, 16), ...text(2, 9)], signal);
    const [shared = 0] = first.part([1]).pages;
    const other = { pages: [shared, 1_001], position: 16, tokens: text(3, 5) };
    const [going, branching] = await model.step([first.part(text(4, 3)), other], signal);
    expect(going).toEqual(await alone([...text(1, 16), ...text(2, 9), ...text(4, 3)]));
    expect(branching).toEqual(await alone([...text(1, 16), ...text(3, 5)]));
  });

  it('appends nothing when a step fails, and gives the same when it is repeated', async () => {
    const paged = new PagedText(model);
    await paged.append(text(1, 5), signal);
    await expect(paged.append([1], AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' });
    expect(paged.length).toBe(5);
    expect(await paged.append([1], signal)).toEqual(await alone([...text(1, 5), 1]));
  });

  it.each([
    ['no token', [], /batch\[0\]\.tokens: is empty/],
    ['a token that the vocabulary does not have', [1, 265], /tokens\[1\]: is 265; the model's tokens are 0 to 264/],
    ['a fraction', [0.5], /tokens\[0\]: is 0\.5/],
    ['more than the context holds', Array(4097).fill(1), /would make 4097 tokens; the model's context holds 4096/],
  ])('refuses %s', async (_case, tokens, message) => {
    await expect(new PagedText(model).append(tokens, signal)).rejects.toThrow(message);
  });

  it('gives no logits that are no numbers', async () => {
    const checkpoint = await Checkpoint.open(folder);
    const broken = { apply: async (_layer: number, x: Float32Array) => new Float32Array(x.length).fill(NaN) };
    const wrong = await openModel(checkpoint, plainBackend(), broken);
    await checkpoint.close();
    await expect(new PagedText(wrong).append([1], signal)).rejects.toMatchObject({ code: 'invalid_state' });
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

  it('takes too few pages, or one that two texts write, for a bug of the caller', async () => {
    const part = { pages: [2_000], position: 0, tokens: text(1, 17) };
    await expect(model.step([part], signal)).rejects.toThrow(/1 pages are too few for 17 tokens/);
    const half = { ...part, tokens: text(1, 8) };
    await expect(model.step([half, half], signal)).rejects.toThrow(/page 2000 is written and belongs to more than one/);
    const behind = { pages: [2_000, 2_001], position: 16, tokens: [1] };
    await expect(model.step([half, behind], signal)).rejects.toThrow(/page 2000 is written/);
  });
});
