import { describe, expect, it } from '@jest/globals';
import { serverLoad } from './engine-metrics.ts';

const vllm = `# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 2.0
vllm:num_requests_waiting{engine="0",model_name="m"} 7.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.5
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.25
vllm:num_preemptions_total{engine="0",model_name="m"} 1.0
vllm:num_preemptions_total{engine="1",model_name="m"} 1.0
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 900.0
vllm:prefix_cache_queries_total{engine="1",model_name="m"} 100.0
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 640.0
vllm:cache_config_info{block_size="16",cache_dtype="auto",engine="0",num_gpu_blocks="1000"} 1.0
vllm:cache_config_info{block_size="16",cache_dtype="auto",engine="1",num_gpu_blocks="2000"} 1.0
`;

describe('serverLoad', () => {
  it("adds up vLLM's engines, each with its own share of its own cache", () => {
    expect(serverLoad(vllm)).toEqual({
      running: 5,
      waiting: 7,
      kvUsedTokens: 16_000,
      kvTotalTokens: 48_000,
      preemptions: 2,
      promptTokens: 1_000,
      cachedTokens: 640,
    });
  });

  it('takes older spellings, counters without _total, no engine, and time stamps', () => {
    const old = [
      'vllm:gpu_cache_usage_perc{model_name="m"} 0.125 1700000000000',
      'vllm:num_preemptions 4',
      'vllm:cache_config_info{block_size="16",num_gpu_blocks="100"} 1',
    ].join('\n');
    expect(serverLoad(old)).toMatchObject({
      kvUsedTokens: 200,
      kvTotalTokens: 1_600,
      preemptions: 4,
      running: undefined,
    });
  });

  it('reads SGLang', () => {
    const cached =
      'sglang:cached_tokens_total{cache_source="device"} 70\nsglang:cached_tokens_total{cache_source="host"} 5\n';
    const text =
      'sglang:prompt_tokens_total 100\nsglang:num_running_reqs{model_name="m"} 2\nsglang:num_queue_reqs 1\nsglang:num_used_tokens 900\n';
    expect(serverLoad(`${text}${cached}sglang:max_total_num_tokens 4000\n`)).toMatchObject({
      running: 2,
      waiting: 1,
      promptTokens: 100,
      cachedTokens: 75,
      kvUsedTokens: 900,
      kvTotalTokens: 4_000,
    });
  });

  it.each([
    ['nothing', ''],
    ['a web page', '<html>vllm:num_requests_running 3</html>'],
    ['no number', 'vllm:num_requests_running{engine="0"} NaN'],
    ['a negative number', 'vllm:num_requests_running -1'],
    [
      'an odd block size',
      'vllm:cache_config_info{block_size="None",num_gpu_blocks="5"} 1\nvllm:kv_cache_usage_perc 0.5',
    ],
  ])('knows nothing from %s', (_, text) => {
    for (const value of Object.values(serverLoad(text))) expect(value).toBeUndefined();
  });

  it('knows the size of a cache whose use is not told', () => {
    const text = 'vllm:cache_config_info{block_size="16",num_gpu_blocks="5"} 1';
    expect(serverLoad(text)).toMatchObject({ kvTotalTokens: 80, kvUsedTokens: undefined });
  });
});
