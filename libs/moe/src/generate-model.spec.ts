/** Generation with the forward pass itself: what shares a step, a cache or a piece of a prompt changes no text. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Checkpoint } from './checkpoint.ts';
import { localExperts } from './experts.ts';
import { Generator, type GroupLimits } from './generate.ts';
import type { GenerationRequest } from './job.ts';
import type { Model } from './model.ts';
import { openModel } from './open-model.ts';
import type { GenerationEvent } from './outbox.ts';
import { plainBackend } from './plain-backend.ts';
import { tinyShape, writeRandomCheckpoint } from './tiny-checkpoint.ts';

const never = new AbortController().signal;
const limits: GroupLimits = {
  kvTokens: 20_000,
  stepTokens: 40,
  running: 16,
  waiting: 64,
  retryAfterMs: 1,
  weights: new Map(),
};

let folder: string;
let model: Model;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'argosy-generate-'));
  await writeRandomCheckpoint(folder, { ...tinyShape, hidden: 32, layers: 2, experts: 8, topK: 2 }, 3);
  const checkpoint = await Checkpoint.open(folder);
  const backend = plainBackend();
  model = await openModel(checkpoint, backend, await localExperts(checkpoint, backend));
  await checkpoint.close();
});
afterAll(async () => await rm(folder, { recursive: true }));

function generatorOf(changes: Partial<GroupLimits> = {}): Generator {
  const speech = {
    model: 'm',
    bytesOf: (id: number) => Uint8Array.of(id),
    endIds: new Set<number>(),
    contextTokens: 500,
  };
  return new Generator(model, speech, { ...limits, ...changes }, () => 0);
}

function request(i: number, changes: Partial<GenerationRequest> = {}): GenerationRequest {
  const ids = Array.from({ length: 5 + ((i * 17) % 60) }, (_, at) => (at * 31 + i * 7) % model.config.vocabulary);
  const sampling = {
    temperature: 0.9,
    topP: 0.95,
    topK: 0,
    presencePenalty: 0.5,
    repetitionPenalty: 1.1,
    seed: i,
    stop: [],
    maxTokens: 6 + ((i * 5) % 12),
    logprobs: 0,
  };
  return {
    tenant: 't',
    session: `s${i}`,
    prompt: { ids, ending: '' },
    sampling,
    guide: null,
    priority: 0,
    abort: never,
    deadline: never,
    ...changes,
  };
}

async function replyOf(events: AsyncIterable<GenerationEvent>) {
  const all: GenerationEvent[] = [];
  for await (const event of events) all.push(event);
  const deltas = all.filter((event) => event.kind === 'delta');
  return {
    ids: deltas.flatMap(({ tokenIds }) => tokenIds),
    logprobs: deltas.flatMap(({ logprobs }) => logprobs.map(({ chosen }) => chosen.logprob)),
    cached: all[0]?.kind === 'accepted' ? all[0].cachedTokens : -1,
  };
}

describe('a reply of the model', () => {
  it('has the same tokens and probabilities, bit by bit, alone and among 32 that join and leave', async () => {
    const alone = await replyOf(generatorOf({ stepTokens: 500 }).generate(request(0)));
    const generator = generatorOf();
    const others = Array.from({ length: 16 }, (_, i) => replyOf(generator.generate(request(i + 1))));
    const among = replyOf(generator.generate(request(0)));
    const later = others.map(async (other, i) => {
      await other;
      return await replyOf(generator.generate(request(i + 17)));
    });
    expect({ ...(await among), cached: 0 }).toEqual(alone);
    await Promise.all(later);
    expect(alone.ids).toHaveLength(6);
  });

  it('is the same behind a kept prefix as behind a prompt that is computed anew', async () => {
    const generator = generatorOf();
    const first = await replyOf(generator.generate(request(4)));
    const longer = { ids: [...request(4).prompt.ids, ...first.ids, 1, 2, 3], ending: '' };
    const warm = await replyOf(generator.generate(request(4, { prompt: longer })));
    const cold = await replyOf(generatorOf().generate(request(4, { prompt: longer })));
    // Whole pages of what the model has seen: all but the last token of the reply.
    expect(warm.cached).toBe(16 * Math.floor((longer.ids.length - 4) / 16));
    expect(warm.cached).toBeGreaterThan(0);
    expect({ ...warm, cached: 0 }).toEqual(cold);
  });

  it('is the same when its pages were given to others in the middle and it was computed anew', async () => {
    const generator = generatorOf({ kvTokens: 96 });
    const several = [1, 2, 3, 4].map((i) => {
      const { prompt, sampling } = request(i);
      const ids = [i, ...prompt.ids].slice(0, 14);
      return request(i, { prompt: { ids, ending: '' }, sampling: { ...sampling, maxTokens: 40 } });
    });
    const together = await Promise.all(several.map((one) => replyOf(generator.generate(one))));
    expect(generator.load.preemptions).toBeGreaterThan(0);
    for (const [i, one] of several.entries()) {
      const alone = await replyOf(generatorOf({ stepTokens: 500 }).generate(one));
      expect({ ...together[i], cached: 0 }).toEqual(alone);
    }
  });
});
