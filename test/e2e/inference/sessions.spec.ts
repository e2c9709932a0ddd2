/** Many agents at once over two inference groups, of which one is killed while all of them work. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it } from '@jest/globals';
import { tinyShape, writeRandomCheckpoint } from '#moe';
import { emptyWorkplace, endLeftovers, eventually, launch, type Running } from '../../support/argosy.ts';
import { describeFleet, fleetFileOf, startFleet } from '../../support/local-fleet.ts';

const cwd = emptyWorkplace();
endLeftovers();

const program = join(import.meta.dirname, '..', '..', '..', 'dist', 'apps', 'inference', 'src', 'main.js');
const agents = 32;
const shape = { ...tinyShape, hidden: 32, layers: 1, heads: 2, kvHeads: 1, experts: 4, topK: 2, contextTokens: 32_768 };
const document = 'The ferry of Halloway leaves at noon. A crossing costs four crowns.';
const terminal = /^(completed|incomplete|failed|cancelled)$/;

/** One coordinator and two shards, each a process. @returns the coordinator */
async function startGroup(name: string, checkpoint: string): Promise<Running & { readonly address: string }> {
  const start = (args: string[], env: Record<string, string> = {}): Running => {
    const settings = { ARGOSY_INFERENCE_THREADS: '1', ...env };
    return launch([...args, '--checkpoint', checkpoint], { cwd, env: settings, script: program });
  };
  const shards = ['0', '1'].map((shard) => `unix:${join(cwd, `${name}-${shard}`)}`);
  for (const address of shards) start(['--role', 'shard', '--listen', address]);
  const limits = { ARGOSY_INFERENCE_KV_TOKENS: '400000', ARGOSY_INFERENCE_STEP_TOKENS: '2048' };
  const args = ['--role', 'coordinator', '--listen', '127.0.0.1:0', '--shards', shards.join(',')];
  const group = start(args, { ...limits, ARGOSY_INFERENCE_COMBINE: 'deterministic' });
  const port = /"port":(\d+)/.exec(await group.said(/"event":"listening".*"port":\d+/))?.[1];
  return Object.assign(group, { address: `127.0.0.1:${port}` });
}

/** Replies that it has come to the end of. */
function generatedBy(group: Running | undefined): number {
  return (group?.stderr.match(/"event":"generated"/g) ?? []).length;
}

interface Answer {
  readonly id: string;
  readonly status: string;
  readonly report: null | {
    readonly usage: Readonly<Record<'tool_calls', number>>;
  };
}

/** Asks the gateway of the fleet. */
async function ask<A>(method: string, path: string, body?: unknown): Promise<A> {
  const isFile = Buffer.isBuffer(body);
  const type = isFile ? 'application/octet-stream' : 'application/json';
  const { url, key } = JSON.parse(readFileSync(fleetFileOf(cwd), 'utf8')) as Record<'url' | 'key', string>;
  const headers = { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': type }) };
  const sent = body === undefined ? {} : { body: isFile ? new Uint8Array(body) : JSON.stringify(body) };
  const response = await fetch(`${url}${path}`, { method, headers, ...sent });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  return (isJson ? JSON.parse(text) : text) as A; // by the contract of the API
}

async function corpus(): Promise<string> {
  const bytes = Buffer.from(document);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const manifest = { name: 'ferry', files: [{ path: 'ferry.md', sha256, bytes: bytes.length }] };
  await ask('POST', '/v1/corpora', manifest);
  await ask('PUT', `/v1/corpora/files/${sha256}`, bytes);
  const { id } = await ask<Answer>('POST', '/v1/corpora', manifest);
  const ready = async () => ((await ask<Answer>('GET', `/v1/corpora/${id}`)).status === 'ready' ? id : null);
  return await eventually(ready, 'the corpus to be indexed');
}

/** Of a run's prompts from the second on, the share that was cached. */
async function laterShare(id: string): Promise<number> {
  const text = await ask<string>('GET', `/v1/research/${id}/events`);
  const replies = [...text.matchAll(/^event: model\.completed\ndata: (.*)$/gm)].map(([, data = '']) =>
    JSON.parse(data),
  );
  const later = replies.slice(1).map(({ usage }) => usage as Record<'promptTokens' | 'cachedTokens', number>);
  const sum = (of: 'promptTokens' | 'cachedTokens') => later.reduce((total, usage) => total + usage[of], 0);
  return sum('cachedTokens') / sum('promptTokens');
}

const pollMs = 1_000;
const mostMs = 150_000;

/** Runs end when they end, on a busy machine late: asked for seldom, because asking takes from them. */
async function allEnded(runs: () => Promise<Answer[]>): Promise<Answer[]> {
  for (const giveUpAt = performance.now() + mostMs; ; ) {
    const all = await runs();
    if (all.every(({ status }) => terminal.test(status))) return all;
    if (performance.now() > giveUpAt) throw new Error(`not all ended: ${all.map(({ status }) => status).join(' ')}`);
    await sleep(pollMs);
  }
}

describeFleet('a fleet over two inference groups', () => {
  let groups: (Running & { readonly address: string })[];
  beforeAll(async () => {
    const checkpoint = join(cwd, 'model');
    await writeRandomCheckpoint(checkpoint, shape, 11);
    groups = await Promise.all(['a', 'b'].map((name) => startGroup(name, checkpoint)));
    const model = {
      ARGOSY_MODEL: `grpc:${groups.map(({ address }) => address).join(',')}#random`,
      ARGOSY_MODEL_CONSTRAIN: 'calls',
      ARGOSY_MODEL_CONTEXT_TOKENS: '16384',
      ARGOSY_READING: 'words',
    };
    await startFleet({ cwd, args: ['--agents', '1', '--tools', '1'], env: model });
  }, 120_000);

  it('finds prompts where it left them, loses no run with a coordinator, and goes on with its replies', async () => {
    const sources = { corpora: [await corpus()] };
    const budget = { steps: 2, output_tokens: 600 };
    const accepted = await Promise.all(
      Array.from({ length: agents }, (_, i) =>
        ask<Answer>('POST', '/v1/research', { question: `What does crossing number ${i} cost?`, sources, budget }),
      ),
    );
    const runs = async (): Promise<Answer[]> =>
      await Promise.all(accepted.map(({ id }) => ask<Answer>('GET', `/v1/research/${id}`)));
    const atWork = async () => (generatedBy(groups[0]) >= agents / 2 ? true : null);
    await eventually(atWork, 'the first group to be at work');
    groups[0]?.kill('SIGKILL');
    await groups[0]?.finished;
    const ended = await allEnded(runs);
    // Whole, so that one that failed says why.
    expect(ended.filter(({ status }) => !/^(in)?complete/.test(status))).toEqual([]);
    expect(ended.reduce((sum, { report }) => sum + (report?.usage.tool_calls ?? 0), 0)).toBeGreaterThan(0);
    const shares = (await Promise.all(ended.map(({ id }) => laterShare(id)))).toSorted((a, b) => a - b);
    // Of a second prompt, all but what the tools brought and what was written as other tokens than it is read as: half of
    // the runs were never moved.
    expect(shares[agents / 2] ?? 0).toBeGreaterThan(0.8);
    expect(generatedBy(groups[1])).toBeGreaterThan(agents / 2);
  }, 240_000);
});
