/** What vLLM and SGLang say of their load, read from their metrics. What is absent there is unknown, and never 0. */
import type { Load } from '#moe';

/** Of the whole server; of several data-parallel engines, all together. */
export type ServerLoad = { readonly [K in keyof Load | 'kvTotalTokens']?: number | undefined };

interface Sample {
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

type Samples = ReadonlyMap<string, readonly Sample[]>;

/**
 * @param text in the exposition format of Prometheus; lines that are none are passed over. Names of vLLM and SGLang, with
 * and without `_total`, older spellings included. Sources: vLLM docs/usage/metrics.md and docs/design/metrics.md, SGLang
 * docs/references/production_metrics.md
 */
export function serverLoad(text: string): ServerLoad {
  const samples = samplesOf(text);
  const sum = (...names: readonly string[]) => summed(samples, names);
  const { kvUsedTokens, kvTotalTokens } = cacheOf(samples);
  return {
    running: sum('vllm:num_requests_running', 'sglang:num_running_reqs'),
    waiting: sum('vllm:num_requests_waiting', 'sglang:num_queue_reqs'),
    kvUsedTokens,
    kvTotalTokens,
    preemptions: sum('vllm:num_preemptions', 'sglang:num_retracted_reqs'),
    promptTokens: sum('vllm:prefix_cache_queries', 'sglang:prompt_tokens'),
    cachedTokens: sum('vllm:prefix_cache_hits', 'sglang:cached_tokens'),
  };
}

interface CacheLoad {
  readonly kvUsedTokens: number | undefined;
  readonly kvTotalTokens: number | undefined;
}

function cacheOf(samples: Samples): CacheLoad {
  const used = summed(samples, ['sglang:num_used_tokens']);
  const total = summed(samples, ['sglang:max_total_num_tokens']);
  if (used !== undefined) return { kvUsedTokens: used, kvTotalTokens: total };
  return vllmCache(samples);
}

/** vLLM tells a share for each engine, and how many blocks of how many tokens the engine has as labels of a constant. */
function vllmCache(samples: Samples): CacheLoad {
  const sizes = (samples.get('vllm:cache_config_info') ?? []).map(({ labels }) => ({
    engine: labels.get('engine') ?? '0',
    tokens: Number(labels.get('num_gpu_blocks')) * Number(labels.get('block_size')),
  }));
  const isKnown = sizes.length > 0 && sizes.every(({ tokens }) => Number.isSafeInteger(tokens) && tokens > 0);
  if (!isKnown) return { kvUsedTokens: undefined, kvTotalTokens: undefined };
  const kvTotalTokens = sizes.reduce((sum, { tokens }) => sum + tokens, 0);
  const shares = samples.get('vllm:kv_cache_usage_perc') ?? samples.get('vllm:gpu_cache_usage_perc') ?? [];
  const kvUsedTokens = shares.reduce((sum, { labels, value }) => {
    const own = sizes.find(({ engine }) => engine === (labels.get('engine') ?? '0'));
    return sum + value * (own?.tokens ?? Number.NaN);
  }, 0);
  const isWhole = shares.length > 0 && Number.isFinite(kvUsedTokens);
  return { kvTotalTokens, kvUsedTokens: isWhole ? Math.round(kvUsedTokens) : undefined };
}

/** Of the first of the names that is there. */
function summed(samples: Samples, names: readonly string[]): number | undefined {
  for (const name of names) {
    const found = samples.get(name) ?? samples.get(`${name}_total`);
    const total = found?.reduce((sum, { value }) => sum + value, 0);
    if (total !== undefined && Number.isFinite(total) && total >= 0) return Math.round(total);
  }
  return undefined;
}

const line = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/;
const label = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;

function samplesOf(text: string): Samples {
  const samples = new Map<string, Sample[]>();
  for (const row of text.split('\n')) {
    const [, name, labels = '', value] = line.exec(row.trim()) ?? [];
    if (name === undefined || value === undefined) continue;
    const sample = { labels: labelsOf(labels), value: Number(value) };
    const others = samples.get(name);
    if (others === undefined) samples.set(name, [sample]);
    else others.push(sample);
  }
  return samples;
}

function labelsOf(text: string): ReadonlyMap<string, string> {
  return new Map(Array.from(text.matchAll(label), ([, name = '', value = '']) => [name, value] as const));
}
