import { describe, expect, it } from '@jest/globals';
import { publishedModel } from '../../../test/support/published-model.ts';
import { type ModelConfig, parseModelConfig } from './model-config.ts';
import { cacheBytesPerToken, fitOn, sizesOf } from './sizes.ts';

function configOf(changes: object = {}): ModelConfig {
  const { config } = parseModelConfig({ ...publishedModel, ...changes });
  if (config === undefined) throw new Error('the configuration is refused');
  return config;
}

const a100 = 80e9;

describe('the 30B model with 3B active', () => {
  it('has the sizes that its publishers tell', () => {
    const { all, shared, expert, layerExperts, experts, active, activeInside } = sizesOf(configOf());
    expect(all).toBe(30_532_122_624);
    expect(expert).toBe(4_718_592);
    expect(shared + experts).toBe(all);
    const gigabytes = [all, experts, shared, layerExperts].map((parameters) => Number((2e-9 * parameters).toFixed(3)));
    expect(gigabytes).toEqual([61.064, 57.982, 3.082, 1.208]);
    expect([active, activeInside].map((parameters) => Number((1e-9 * parameters).toFixed(3)))).toEqual([3.353, 2.731]);
  });

  it('leaves 96 KiB a token, 12 GiB for 128K', () => {
    expect(cacheBytesPerToken(configOf())).toBe(96 * 1024);
    expect(cacheBytesPerToken(configOf()) * 131_072).toBe(12 * 2 ** 30);
  });

  it.each([
    [1, 'whole', 61.06, 80_000, 81_000],
    [2, 'tensor', 30.53, 782_000, 783_500],
    [4, 'tensor', 15.27, 2_185_000, 2_190_000],
    [8, 'data', 10.33, 4_770_000, 4_780_000],
  ])('on %d devices of 80 GB splits attention by %s', (devices, attention, gigabytes, atLeast, atMost) => {
    const fit = fitOn(configOf(), devices, a100);
    expect(fit.attention).toBe(attention);
    expect(fit.weightBytesPerDevice / 1e9).toBeCloseTo(gigabytes, 2);
    expect(fit.cacheTokens).toBeGreaterThan(atLeast);
    expect(fit.cacheTokens).toBeLessThan(atMost);
  });

  it('does not fit a device of 40 GB', () => {
    expect(fitOn(configOf(), 1, 40e9).cacheTokens).toBe(0);
  });
});

describe('layers without experts', () => {
  it.each([
    ['listed', { mlp_only_layers: [0, 5] }, 46],
    ['two of three', { decoder_sparse_step: 3 }, 16],
    ['both', { decoder_sparse_step: 3, mlp_only_layers: [0, 2] }, 15],
  ])('%s', (_, changes, sparseLayers) => {
    const config = configOf(changes);
    expect(config.sparse.filter(Boolean).length).toBe(sparseLayers);
    expect(sizesOf(config).experts).toBe(sparseLayers * 128 * 4_718_592);
    // A dense layer has no router, and a feed-forward part of its own.
    const dense = 3 * 2048 * 6144 - 128 * 2048;
    expect(sizesOf(config).shared).toBe(sizesOf(configOf()).shared + (48 - sparseLayers) * dense);
  });
});

it('counts a head that is the embedding once', () => {
  const tied = sizesOf(configOf({ tie_word_embeddings: true }));
  const apart = sizesOf(configOf());
  expect(apart.all - tied.all).toBe(151_936 * 2048);
  expect(tied.activeInside).toBe(apart.activeInside);
});
