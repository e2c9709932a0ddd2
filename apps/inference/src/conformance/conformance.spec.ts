/** One contract, three targets: our own engine, the adapter before a server in vLLM's shape, and a live server that is named. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Checkpoint, localExperts, openModel, plainBackend, tinyShape, writeRandomCheckpoint } from '#moe';
import { loadTokenizer } from '#tokens';
import { VllmServer } from '../../../../test/support/vllm-server.ts';
import { EngineServer } from '../adapter/engine-server.ts';
import { openAdapter } from '../adapter/open-adapter.ts';
import { type Engine, openEngine } from '../service/engine.ts';
import { InferenceServer } from '../service/server.ts';
import { checks } from './checks.ts';
import { conform } from './conform.ts';
import { Target } from './target.ts';

const contextTokens = 4_096;
const small = {
  ...tinyShape,
  hidden: 16,
  layers: 1,
  heads: 2,
  kvHeads: 1,
  headDim: 8,
  experts: 4,
  topK: 2,
  contextTokens,
};
const now = () => performance.now();
const quiet = { log: () => undefined };
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'argosy-conformance-'));
  await writeRandomCheckpoint(folder, small, 5);
});
afterAll(async () => await rm(folder, { recursive: true }));

/** @returns the address */
async function serving(engine: Engine, closing: (() => Promise<unknown>)[]): Promise<string> {
  const tls = { cert: undefined, key: undefined, ca: undefined };
  const server = await InferenceServer.start(engine, { listen: '127.0.0.1:0', tls }, quiet);
  closing.push(() => server.stop(0));
  return `127.0.0.1:${server.port}`;
}

async function ownEngine(closing: (() => Promise<unknown>)[]): Promise<string> {
  const checkpoint = await Checkpoint.open(folder);
  const backend = plainBackend();
  const model = await openModel(checkpoint, backend, await localExperts(checkpoint, backend));
  const limits = { kvTokens: 16_384, stepTokens: 512, running: 4, waiting: 4, retryAfterMs: 500, weights: new Map() };
  const engine = await openEngine(checkpoint, model, { limits, name: 'small', version: '0', now, seed: () => 1 });
  await checkpoint.close();
  return await serving(engine, closing);
}

async function adapter(url: string, from: string, closing: (() => Promise<unknown>)[]): Promise<string> {
  const options = { folder: from, name: null, most: 16, retryAfterMs: 500, silenceMs: 60_000, now };
  const { engine, watch } = await openAdapter(new EngineServer(url, undefined), options, quiet);
  closing.push(() => watch.close());
  return await serving(engine, closing);
}

async function shapedServer(closing: (() => Promise<unknown>)[]): Promise<string> {
  const server = await VllmServer.start({ tokenizer: await loadTokenizer(folder), contextTokens });
  closing.push(() => server.close());
  return await adapter(server.url, folder, closing);
}

describe.each([
  ['our own engine', ownEngine],
  ['the adapter before a server in the shape of vLLM', shapedServer],
] as const)('%s', (_, start) => {
  const closing: (() => Promise<unknown>)[] = [];
  let target: Target;
  beforeAll(async () => {
    target = new Target(await start(closing));
  });
  afterAll(async () => {
    target.close();
    for (const close of closing.splice(0).reverse()) await close();
  });
  it.each(checks.map((check) => [check.name, check] as const))('%s', async (__, check) => {
    await check.run(target);
  });
});

/** `grpc:HOST:PORT` of a group, or the http address of a server, whose checkpoint ARGOSY_CONFORMANCE_CHECKPOINT names. */
const { ARGOSY_CONFORMANCE_URL: live, ARGOSY_CONFORMANCE_CHECKPOINT: checkpoint = '' } = process.env;
const itLive = live === undefined ? it.skip : it;

itLive(
  'the live server that is named does what the contract says [needs ARGOSY_CONFORMANCE_URL]',
  async () => {
    const closing: (() => Promise<unknown>)[] = [];
    const url = live ?? '';
    const address = url.startsWith('grpc:') ? url.slice(5) : await adapter(url, checkpoint, closing);
    const verdicts = await conform(address, { disturbs: true }, () => undefined);
    for (const close of closing.reverse()) await close();
    expect(verdicts.filter(({ result }) => result === 'failed')).toEqual([]);
  },
  600_000,
);
