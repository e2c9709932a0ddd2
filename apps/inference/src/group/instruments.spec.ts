import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { metricsText, startMetrics } from '#platform';
import { parsePrometheus, reading } from '../../../../test/support/prometheus.ts';
import { hopped, stating } from './instruments.ts';

const standing = {
  evenness: 0.75,
  planEpoch: 3,
  shards: { open: 1, all: 2 },
  answeredTokens: new Map([
    [0, 30],
    [1, 10],
  ]),
  // Two layers of four experts.
  demand: { experts: 4, load: Float64Array.of(1, 1, 1, 1, 0, 6, 2, 2) },
};

describe('what a group of shards says in the metrics', () => {
  let idle: typeof standing.demand | null = null;
  let unstate: () => void;
  beforeAll(async () => {
    await startMetrics('test');
    unstate = stating({
      ...standing,
      get demand() {
        return idle ?? standing.demand;
      },
    });
  });
  afterAll(() => unstate());
  const read = async (name: string, labels: Readonly<Record<string, string>> = {}) =>
    reading(parsePrometheus(await metricsText()), name, labels);

  it('is how it stands, and what its shards have answered', async () => {
    expect(await read('argosy_inference_expert_balance_ratio')).toBe(0.75);
    expect(await read('argosy_inference_shards', { state: 'open' })).toBe(1);
    expect(await read('argosy_inference_shards', { state: 'all' })).toBe(2);
    expect(await read('argosy_inference_placements_total')).toBe(3);
    expect(await read('argosy_inference_shard_answered_tokens_total', { shard: '1' })).toBe(10);
  });

  it('names the largest share that one expert has of its layer, and none before anything was asked', async () => {
    expect(await read('argosy_inference_expert_busiest_ratio')).toBe(0.6);
    idle = { experts: 4, load: new Float64Array(8) };
    expect(parsePrometheus(await metricsText()).has('argosy_inference_expert_busiest_ratio')).toBe(false);
  });

  it('parts the time of an answer into computing and the way, which is never negative', async () => {
    hopped({ ms: 5, computeMs: 3, sentBytes: 100, receivedBytes: 40 });
    hopped({ ms: 1, computeMs: 2, sentBytes: 100, receivedBytes: 40 });
    expect(await read('argosy_inference_hops_total')).toBe(2);
    expect(await read('argosy_inference_hop_seconds_total', { part: 'compute' })).toBeCloseTo(0.005);
    expect(await read('argosy_inference_hop_seconds_total', { part: 'way' })).toBeCloseTo(0.002);
    expect(await read('argosy_inference_hop_bytes_total', { direction: 'sent' })).toBe(200);
  });
});
