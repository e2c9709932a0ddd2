/** Command lines that start what was planned. Flags as of vLLM 0.12 and SGLang 0.5: others may have other names. */
import type { Gpu } from './gpus.ts';
import { type GroupPlan, usedShare } from './group-plan.ts';

export interface LaunchOptions {
  readonly model: string;
  /** Longest context to be served, in tokens. */
  readonly contextTokens: number;
  readonly gpu: Gpu;
}

export interface LaunchLines {
  readonly vllm: string;
  readonly sglang: string;
  /** Of Argosy's adapter before either. */
  readonly adapter: string;
}

export function launchLines(plan: GroupPlan, { model, contextTokens, gpu }: LaunchOptions): LaunchLines {
  const context = Math.min(contextTokens, plan.longestTokens);
  const folder = quoted(model);
  return {
    vllm: joined(['vllm serve', folder, ...vllmFlags(plan, context)]),
    sglang: joined(['python -m sglang.launch_server --model-path', folder, ...sglangFlags(plan, context, gpu)]),
    adapter: joined(['inference --role adapter --server http://127.0.0.1:8000 --checkpoint', folder]),
  };
}

function vllmFlags(plan: GroupPlan, context: number): string[] {
  const { gpus, tensorParallel, dataParallel, redundantExperts } = plan;
  const eplb = { num_redundant_experts: redundantExperts, window_size: 1_000, step_interval: 3_000 };
  return [
    `--tensor-parallel-size ${tensorParallel}`,
    ...when(dataParallel > 1, `--data-parallel-size ${dataParallel}`, '--all2all-backend allgather_reducescatter'),
    ...when(gpus > 1, '--enable-expert-parallel'),
    ...when(redundantExperts > 0, '--enable-eplb', `--eplb-config ${quoted(JSON.stringify(eplb))}`),
    `--max-model-len ${context}`,
    `--gpu-memory-utilization ${usedShare.toFixed(2)}`,
    '--enable-prefix-caching',
    '--enable-prompt-tokens-details',
    '--max-num-seqs 64',
    '--max-num-batched-tokens 8192',
    '--dtype bfloat16',
    '--host 127.0.0.1',
    '--port 8000',
  ];
}

/** Its balancing goes with an all-to-all of its own, which not every device has. */
function sglangFlags(plan: GroupPlan, context: number, gpu: Gpu): string[] {
  const { gpus, dataParallel, redundantExperts } = plan;
  const balances = redundantExperts > 0 && gpu.hasDeepEp;
  return [
    `--tp-size ${gpus}`,
    ...when(gpus > 1, `--ep-size ${gpus}`),
    ...when(dataParallel > 1, `--dp-size ${dataParallel}`, '--enable-dp-attention'),
    ...when(balances, '--moe-a2a-backend deepep', '--enable-eplb', `--ep-num-redundant-experts ${redundantExperts}`),
    `--context-length ${context}`,
    `--mem-fraction-static ${(usedShare - 0.02).toFixed(2)}`,
    '--max-running-requests 64',
    '--chunked-prefill-size 8192',
    '--enable-metrics',
    '--enable-cache-report',
    '--dtype bfloat16',
    '--host 127.0.0.1',
    '--port 8000',
  ];
}

function when(holds: boolean, ...flags: readonly string[]): readonly string[] {
  return holds ? flags : [];
}

function joined(parts: readonly string[]): string {
  return parts.join(' ');
}

/** As a POSIX shell takes it. */
function quoted(text: string): string {
  return /^[\w./@:+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
