import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { publishedModel } from '../../../../test/support/published-model.ts';
import { planModel } from './plan.ts';

/** Its edition for long contexts. */
const published = { ...publishedModel, max_position_embeddings: 262_144, rope_theta: 1e7 };

const folders: string[] = [];

async function folderOf(config: object, index?: object): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'argosy-plan-'));
  folders.push(folder);
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  if (index) await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify(index));
  return folder;
}

let model: string;
beforeAll(async () => {
  model = await folderOf(published, { metadata: { total_size: 61_064_245_248 }, weight_map: {} });
});
afterAll(async () => await Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

const request = (gpus: string, changes: object = {}) => ({
  model,
  gpus,
  contextTokens: null,
  sessionTokens: null,
  ...changes,
});

describe('the plan of the 30B model with 3B active', () => {
  it('has the published sizes', async () => {
    const { plan } = await planModel(request('2xA100-80'));
    expect(plan.parameters).toBe(30_532_122_624);
    expect(plan.weightBytes).toBe(61_064_245_248);
    expect(plan.storedBytes).toBe(plan.weightBytes);
    expect(plan.kvBytesPerToken).toBe(98_304);
    expect(plan.contextTokens).toBe(131_072);
  });

  it.each([
    ['1xA100-80', 61.06, 0, 81_000, 0],
    ['2xA100-80', 30.53, 0, 783_000, 9],
    ['4xA100-80', 15.27, 0.91, 2_149_000, 26],
    ['8xA100-80', 8.02, 0.45, 4_926_000, 58],
    ['2xA100-40', 30.53, 0, 50_000, 0],
    ['2xH200', 30.53, 0, 1_899_000, 23],
  ])(
    '%s: %d GB each and %d for redundant experts leave some %d tokens, %d agents',
    async (gpus, weights, redundant, tokens, agents) => {
      const { plan } = await planModel(request(gpus));
      const group = plan.groups.find(({ asked }) => asked);
      expect(group?.weightBytesPerGpu).toBeCloseTo(weights * 1e9, -8);
      expect(group?.redundantBytesPerGpu).toBeCloseTo(redundant * 1e9, -8);
      expect(Math.abs((group?.kvTokens ?? 0) - tokens)).toBeLessThan(1_000);
      expect(group?.sessions).toBe(agents);
    },
  );

  it('is started with expert parallelism, and balanced from four devices on', async () => {
    const { plan, text } = await planModel(request('2xA100-80'));
    const [, two, four, eight] = plan.groups.map(({ launch }) => launch?.vllm ?? '');
    expect(two).toContain('--tensor-parallel-size 2 --enable-expert-parallel --max-model-len 131072');
    expect(two).not.toContain('eplb');
    expect(four).toContain(
      `--tensor-parallel-size 4 --enable-expert-parallel --enable-eplb --eplb-config '{"num_redundant_experts":8,`,
    );
    expect(eight).toContain(
      '--tensor-parallel-size 4 --data-parallel-size 2 --all2all-backend allgather_reducescatter',
    );
    expect(plan.groups[3]?.launch?.sglang).toContain(
      '--tp-size 8 --ep-size 8 --dp-size 2 --enable-dp-attention --context',
    );
    for (const line of [two, four, eight]) expect(text).toContain(line);
  });

  it('has SGLang balance where its all-to-all runs', async () => {
    const { plan } = await planModel(request('4xH100-80'));
    expect(plan.groups[2]?.launch?.sglang).toContain(
      '--moe-a2a-backend deepep --enable-eplb --ep-num-redundant-experts 8',
    );
  });

  it('says which context fits where the asked one does not', async () => {
    const { plan, text } = await planModel(request('1xA100-80'));
    expect(plan.groups[0]?.launch?.vllm).toMatch(/--max-model-len 80\d\d\d /);
    expect(text).toContain('a context of 131,072 does not fit: 80,');
  });
});

it('adds redundant experts until each device has as many', async () => {
  const odd = await folderOf({ ...published, num_experts: 130 });
  const { plan } = await planModel({ ...request('4xA100-80'), model: odd });
  expect(plan.groups[2]?.redundantExperts).toBe(10);
});

it('says of quantised files that the plan is for another format', async () => {
  const small = await folderOf(published, { metadata: { total_size: 31_000_000_000 } });
  expect((await planModel({ ...request('2xA100-80'), model: small })).text).toContain('its files hold another format');
});

it.each([
  ['2xA900', {}, /--gpus: is "2xA900".*Known: 1, 2, 4, 8 of A100-40, A100-80/],
  ['A100-80', {}, /such as 2xA100-80/],
  ['3xA100-80', {}, /Known: 1, 2, 4, 8/],
  ['2xA100', {}, /--gpus: is "2xA100"/],
  ['1xA100-40', {}, /61\.06 GB of weights on each, of which 33\.00 GB fit: 28\.06 GB too much; it fits 2xA100-40/],
  ['2xA100-80', { model_type: 'llama' }, /model_type is "llama"/],
  ['2xA100-80', { num_experts: undefined }, /num_experts is missing/],
  ['8xA100-40', { num_hidden_layers: 480 }, /no group of these devices holds it/],
])('refuses %s for a model with %j', async (gpus, changes, words) => {
  const folder = await folderOf({ ...published, ...changes });
  await expect(planModel({ ...request(gpus), model: folder })).rejects.toThrow(words);
});
