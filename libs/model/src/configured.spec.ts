import { rm } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { tokenizerFolder } from '../../../test/support/tokenizer-folder.ts';
import { configuredModels } from './configured.ts';
import { parseModelSpec } from './model-spec.ts';

const config = { ARGOSY_MODEL_CONTEXT_TOKENS: 32_000 };
const served = { ...config, ARGOSY_MODEL: 'openai:http://127.0.0.1:1/v1#big' };

describe('configuredModels', () => {
  it('has extractive, at no cost, where nothing is configured', async () => {
    const { byName, offered, defaultName } = await configuredModels(config);
    expect([[...byName.keys()], defaultName]).toEqual([['extractive'], 'extractive']);
    expect(offered.get('extractive')).toMatchObject({
      isLanguageModel: false,
      contextTokens: null,
      prices: [{ from: null, value: { promptUsd: 0, cachedUsd: 0, completionUsd: 0 } }],
    });
  });

  it('offers a configured model as the default, its prices unknown until they are given', async () => {
    const { byName, offered, defaultName } = await configuredModels(served);
    expect([[...byName.keys()], defaultName]).toEqual([['extractive', 'big'], 'big']);
    expect(offered.get('big')).toEqual({
      isLanguageModel: true,
      profile: 'tongyi-v1',
      contextTokens: 32_000,
      prices: [],
    });
    const priced = await configuredModels({ ...served, ARGOSY_MODEL_PRICES: '0.3,0.03,1.2' });
    const value = { promptUsd: 0.3, cachedUsd: 0.03, completionUsd: 1.2 };
    expect(priced.offered.get('big')?.prices).toEqual([{ from: null, value }]);
  });

  it('offers prices with the days from which they hold', async () => {
    const { offered } = await configuredModels({
      ...served,
      ARGOSY_MODEL_PRICES: '0.3,0.03,1.2; 2026-07-01:0.2,0.02,1',
    });
    expect(offered.get('big')?.prices).toEqual([
      { from: null, value: { promptUsd: 0.3, cachedUsd: 0.03, completionUsd: 1.2 } },
      { from: '2026-07-01T00:00:00.000Z', value: { promptUsd: 0.2, cachedUsd: 0.02, completionUsd: 1 } },
    ]);
  });

  it("makes an operator's choice the default and keeps the others", async () => {
    const { byName, defaultName } = await configuredModels(
      served,
      parseModelSpec('openai:http://127.0.0.1:2/v1#small'),
    );
    expect([[...byName.keys()], defaultName]).toEqual([['extractive', 'big', 'small'], 'small']);
    expect((await configuredModels(served, { kind: 'extractive' })).defaultName).toBe('extractive');
  });

  it('has a model that calls tools by the API speak that profile', async () => {
    const { byName, offered } = await configuredModels({
      ...config,
      ARGOSY_MODEL: 'openai-tools:http://127.0.0.1:1/v1#big',
    });
    expect([byName.get('big')?.profile, offered.get('big')?.profile]).toEqual(['openai-tools-v1', 'openai-tools-v1']);
  });

  it('takes a way to constrain replies only where a model takes it', async () => {
    const grpc = { ...config, ARGOSY_MODEL: 'grpc:127.0.0.1:1' };
    const tools = { ...config, ARGOSY_MODEL: 'openai-tools:http://127.0.0.1:1/v1#big' };
    const names = async (settings: Parameters<typeof configuredModels>[0]) =>
      [...(await configuredModels(settings)).byName.keys()].at(-1);
    expect(await names({ ...grpc, ARGOSY_MODEL_CONSTRAIN: 'calls' })).toBe('127.0.0.1:1');
    expect(await names({ ...tools, ARGOSY_MODEL_CONSTRAIN: 'response_format' })).toBe('big');
    for (const wrong of [
      { ...served, ARGOSY_MODEL_CONSTRAIN: 'structured_outputs' } as const,
      { ...tools, ARGOSY_MODEL_CONSTRAIN: 'calls' } as const,
    ]) {
      await expect(names(wrong)).rejects.toThrow(/^ARGOSY_MODEL_CONSTRAIN: is "\w+", which is for models named/);
    }
  });

  it('counts prompts by the tokenizer of a configured folder, and stops at one that cannot be read', async () => {
    const folder = await tokenizerFolder();
    const request = { turns: [], tools: [], today: '', mustAnswer: false, maxCompletionTokens: 1, session: 'r' };
    const basisOf = async (settings: object) => {
      const { byName } = await configuredModels({ ...served, ...settings });
      return (await byName.get('big')?.countPrompt(request))?.basis;
    };
    expect(await basisOf({ ARGOSY_MODEL_TOKENIZER: folder })).toBe('tokenizer');
    expect(await basisOf({})).toBe('estimate');
    await rm(folder, { recursive: true });
    await expect(basisOf({ ARGOSY_MODEL_TOKENIZER: folder })).rejects.toMatchObject({
      code: 'validation_failed',
      message: expect.stringMatching(/^ARGOSY_MODEL_TOKENIZER: .*tokenizer\.json: is not there/),
    });
  });
});
