import type { ModelPlan, PlannedGroup } from './model-plan.ts';

/** A plan for a person to read. */
export function planText(plan: ModelPlan): string {
  return `${[modelLines(plan), groupLines(plan), launchText(plan), ownLines(plan)].map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function modelLines({
  model,
  parameters,
  activeParameters,
  weightBytes,
  storedBytes,
  kvBytesPerToken,
}: ModelPlan): string[] {
  const differs = storedBytes !== null && Math.abs(storedBytes / weightBytes - 1) > 0.01;
  const stored = storedBytes === null ? '' : `, ${gigabytes(storedBytes)} in its files`;
  return [
    model,
    `  parameters  ${billions(parameters)}, of which a token uses ${billions(activeParameters)}`,
    `  weights     ${gigabytes(weightBytes)} in bf16${stored}`,
    ...(differs ? ['              its files hold another format: what follows is for bf16'] : []),
    `  a token     ${count(kvBytesPerToken)} bytes of keys and values`,
  ];
}

function groupLines({ gpu, groups, contextTokens, sessionTokens }: ModelPlan): string[] {
  const head = [
    '',
    'devices',
    'attention',
    'weights each',
    'redundant',
    'tokens of context',
    `of ${count(contextTokens)}`,
    'agents',
  ];
  const rows = groups.map((group) => [
    group.asked ? '->' : '',
    String(group.gpus),
    attentionOf(group),
    ...cellsOf(group, contextTokens),
  ]);
  return [
    `on ${gpu.name}: 90 % of the memory less 3 GB to work with; ${count(sessionTokens)} tokens are kept for an agent`,
    ...table([head, ...rows]),
  ];
}

function cellsOf(group: PlannedGroup, contextTokens: number): string[] {
  const { fits, weightBytesPerGpu, redundantBytesPerGpu, freeBytesPerGpu, kvTokens, sessions } = group;
  const weights = gigabytes(weightBytesPerGpu);
  const redundant = gigabytes(redundantBytesPerGpu);
  if (!fits) return [weights, redundant, `does not fit: ${gigabytes(-freeBytesPerGpu)} too much each`, '', ''];
  return [weights, redundant, count(kvTokens), (kvTokens / contextTokens).toFixed(1), String(sessions)];
}

function attentionOf({ gpus, tensorParallel, dataParallel }: PlannedGroup): string {
  if (gpus === 1) return 'whole';
  return dataParallel === 1 ? `TP${tensorParallel}` : `TP${tensorParallel} x DP${dataParallel}`;
}

function launchText({ groups, contextTokens }: ModelPlan): string[] {
  return groups.flatMap(({ gpus, launch, longestTokens, asked }) => {
    if (launch === null || (gpus === 1 && !asked)) return [];
    const cut =
      longestTokens < contextTokens
        ? ` (a context of ${count(contextTokens)} does not fit: ${count(longestTokens)})`
        : '';
    return [
      `${asked ? '-> ' : ''}${gpus} devices${cut}`,
      `  vLLM     ${launch.vllm}`,
      `  SGLang   ${launch.sglang}`,
      `  and      ${launch.adapter}`,
    ];
  });
}

function ownLines({ own }: ModelPlan): string[] {
  return [
    `Argosy's own engine computes on processors, for tests and audits: ${gigabytes(own.bytesPerShard)} of experts in f32 on each of ${own.shards} shards`,
    ...own.launch.map((line) => `  ${line}`),
  ];
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd());
}

function gigabytes(bytes: number): string {
  return bytes >= 1e7 || bytes === 0 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(2)} MB`;
}

function billions(parameters: number): string {
  return parameters >= 1e8 ? `${(parameters / 1e9).toFixed(2)} billion` : count(parameters);
}

function count(number: number): string {
  return Math.round(number).toLocaleString('en-US');
}
