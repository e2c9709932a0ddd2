/** What the adapter costs against calling the server directly, each in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { credentials } from '@grpc/grpc-js';
import { inference } from '#contracts/rpc';
import { sseData } from '#model';
import { tinyShape, writeRandomCheckpoint } from '#moe';
import { type Benchmark, percentile, type Row, round } from './result.ts';

const contextTokens = 65_536;
/** Between two tokens of a reply: what servers on GPUs take with some replies at a time. */
const paceMs = 20;
const crowd = 32;
const crowdTokens = 150;
const rounds = 3;
const prompts = [1_000, 30_000];
const lone = 40;

export const adapter: Benchmark = async (say) => {
  const folder = await mkdtemp(join(tmpdir(), 'argosy-bench-adapter-'));
  const children: ChildProcess[] = [];
  try {
    await writeRandomCheckpoint(folder, { ...tinyShape, layers: 1 }, 1);
    const port = await serverPort(children, folder);
    const address = await adapterAddress(children, folder, port);
    const client = new inference.InferenceServiceClient(address, credentials.createInsecure());
    const ways: readonly Way[] = [
      { name: 'direct', call: (id, length, tokens) => direct(port, id, length, tokens) },
      { name: 'adapter', call: (id, length, tokens) => throughAdapter(client, id, length, tokens) },
    ];
    for (const { call } of ways) await call('warm', 1_000, 200);
    say(`first tokens of one reply at a time, prompts of ${prompts.join(' and ')} tokens`);
    const first = await firstTokenRows(ways);
    say(`${crowd} replies at a time, ${crowdTokens} tokens each`);
    const many = await crowdRows(ways);
    const hop = await hopRow(client);
    client.close();
    return {
      params: {
        crowd,
        'tokens a reply': crowdTokens,
        'ms between two tokens': paceMs,
        'target, share of throughput': 0.95,
        'target, ms of first token': 2,
      },
      rows: [...first, ...many, hop],
      ratios: ratiosOf(first, many),
    };
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
};

/** @returns ms from the call to the first token, and to the end, and the number of tokens */
type Call = (id: string, promptTokens: number, maxTokens: number) => Promise<{ firstMs: number; tokens: number }>;

interface Way {
  readonly name: 'direct' | 'adapter';
  readonly call: Call;
}

function ratiosOf(first: readonly Row[], many: readonly Row[]): Record<string, number> {
  const speed = (way: string) =>
    percentile(
      many.filter((row) => row['way'] === way).map((row) => Number(row['tokens_per_s'])),
      0.5,
    );
  const ms = (way: string, prompt: number) =>
    Number(first.find((row) => row['way'] === way && row['prompt_tokens'] === prompt)?.['first_token_p50_ms']);
  const added = prompts.map(
    (prompt) =>
      [
        `ms added to the first token, prompt of ${prompt}`,
        round(ms('adapter', prompt) - ms('direct', prompt)),
      ] as const,
  );
  return {
    'throughput, adapter to direct': round(speed('adapter') / speed('direct'), 4),
    ...Object.fromEntries(added),
  };
}

/** A call that does nothing: what the way to another process costs by itself. */
async function hopRow(client: inference.InferenceServiceClient): Promise<Row> {
  const times: number[] = [];
  for (let i = 0; i < lone; i++) {
    const since = performance.now();
    await new Promise((resolve) => client.abort({ requestId: 'none' }, resolve));
    times.push(performance.now() - since);
  }
  return { what: 'hop', way: 'adapter', p50_ms: round(percentile(times, 0.5)), p90_ms: round(percentile(times, 0.9)) };
}

/** Turn by turn, so that both meet the same machine. */
async function firstTokenRows(ways: readonly Way[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const prompt of prompts) {
    const times = new Map(ways.map(({ name }) => [name, [] as number[]]));
    for (let i = 0; i < lone; i++) {
      for (const { name, call } of ways) times.get(name)?.push((await call(`lone-${prompt}-${i}`, prompt, 1)).firstMs);
    }
    for (const [way, ms] of times) {
      rows.push({
        what: 'lone',
        way,
        prompt_tokens: prompt,
        first_token_p50_ms: round(percentile(ms, 0.5)),
        first_token_p90_ms: round(percentile(ms, 0.9)),
      });
    }
  }
  return rows;
}

async function crowdRows(ways: readonly Way[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (let round_ = 0; round_ < rounds; round_++) {
    for (const { name, call } of ways) {
      const since = performance.now();
      const done = await Promise.all(
        Array.from({ length: crowd }, (_, i) => call(`crowd-${round_}-${i}`, 1_000, crowdTokens)),
      );
      const seconds = (performance.now() - since) / 1_000;
      const tokens = done.reduce((sum, reply) => sum + reply.tokens, 0);
      rows.push({ what: 'crowd', way: name, round: round_, tokens_per_s: round(tokens / seconds, 1) });
    }
  }
  return rows;
}

const idsOf = (length: number): number[] => Array.from({ length }, (_, i) => 97 + ((i * 31) % 26));

async function direct(port: number, _: string, promptTokens: number, maxTokens: number): ReturnType<Call> {
  const since = performance.now();
  const body = { model: 'shaped', prompt: idsOf(promptTokens), max_tokens: maxTokens, temperature: 0, stream: true };
  const options = { stream_options: { include_usage: true }, return_token_ids: true };
  const response = await fetch(`http://127.0.0.1:${port}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, ...options }),
  });
  if (response.body === null) throw new Error(`the server answered ${response.status} without a body`);
  let [firstMs, tokens] = [0, 0];
  for await (const data of sseData(response.body)) {
    if (data === '[DONE]') break;
    const chunk = JSON.parse(data) as { choices: { token_ids: number[] }[] };
    tokens += chunk.choices[0]?.token_ids.length ?? 0;
    firstMs ||= performance.now() - since;
  }
  return { firstMs, tokens };
}

async function throughAdapter(
  client: inference.InferenceServiceClient,
  id: string,
  promptTokens: number,
  maxTokens: number,
): ReturnType<Call> {
  const since = performance.now();
  const sampling = { temperature: 0, maxTokens };
  const plain = inference.GenerateRequest.fromPartial({ requestId: id, sampling });
  const stream = client.generate({ ...plain, prompt: { $case: 'tokenIds', value: { ids: idsOf(promptTokens) } } });
  let [firstMs, tokens] = [0, 0];
  for await (const { event } of stream as AsyncIterable<inference.GenerateResponse>) {
    if (event?.$case !== 'delta') continue;
    tokens += event.value.tokenIds.length;
    firstMs ||= performance.now() - since;
  }
  return { firstMs, tokens };
}

async function serverPort(children: ChildProcess[], folder: string): Promise<number> {
  const script = join(import.meta.dirname, 'vllm-process.ts');
  const args = [...process.execArgv, script, folder, String(paceMs), String(contextTokens)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the server ended with ${code}`);
  });
  const [port] = await Promise.race([once(createInterface(child.stdout), 'line'), ended]);
  return Number(port);
}

async function adapterAddress(children: ChildProcess[], folder: string, port: number): Promise<string> {
  const main = join(import.meta.dirname, '../../dist/apps/inference/src/main.js');
  const options = [
    '--role',
    'adapter',
    '--server',
    `http://127.0.0.1:${port}`,
    '--checkpoint',
    folder,
    '--listen',
    '127.0.0.1:0',
  ];
  const env = { PATH: process.env['PATH'] ?? '', ARGOSY_LOG_LEVEL: 'info' };
  const child = spawn(process.execPath, ['--no-warnings', main, ...options], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  const said: string[] = [];
  for await (const line of createInterface(child.stderr)) {
    said.push(line);
    const { event, port: own } = JSON.parse(line) as { event?: string; port?: number };
    if (event !== 'listening') continue;
    child.stderr.resume();
    return `127.0.0.1:${own}`;
  }
  throw new Error(`the adapter did not start:\n${said.join('\n')}`);
}
