import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { Checkpoint, localExperts, openModel, plainBackend, tinyShape, writeRandomCheckpoint } from '#moe';
import { openEngine } from './engine.ts';

const limits = { kvTokens: 1_000, stepTokens: 64, running: 4, waiting: 4, retryAfterMs: 1_000, weights: new Map() };

it('is not opened with a tokenizer whose tokens the model does not have', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'argosy-engine-'));
  await writeRandomCheckpoint(folder, { ...tinyShape, layers: 1 }, 3);
  const path = join(folder, 'tokenizer.json');
  const { added_tokens: added, ...json } = JSON.parse(await readFile(path, 'utf8'));
  const more = { ...added.at(-1), id: 300, content: '<|more|>' };
  await writeFile(path, JSON.stringify({ ...json, added_tokens: [...added, more] }));
  const checkpoint = await Checkpoint.open(folder);
  const backend = plainBackend();
  const model = await openModel(checkpoint, backend, await localExperts(checkpoint, backend));
  const opened = openEngine(checkpoint, model, { limits, name: null, version: '0', now: () => 0, seed: () => 1 });
  await expect(opened).rejects.toThrow(/tokenizer\.json: has token ids up to 300; vocab_size .* is 265/);
  await checkpoint.close();
  await rm(folder, { recursive: true });
});
