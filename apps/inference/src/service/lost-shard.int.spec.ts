/** A shard that is lost, as the caller of a model sees it: from the group's fault to the wait of the client. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from '@jest/globals';
import { inference } from '#contracts/rpc';
import { configuredModels } from '#model';
import { Checkpoint, openModel, plainBackend, tinyShape, writeRandomCheckpoint } from '#moe';
import { readConfig } from '#platform';
import { exact } from '../../../../test/support/expert-group.ts';
import { useShardProcesses } from '../../../../test/support/shard-processes.ts';
import { ExpertGroup } from '../group/expert-group.ts';
import { RemoteShard, usualRemoteLimits } from '../group/remote-shard.ts';
import { openEngine } from './engine.ts';
import { InferenceServer } from './server.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
const startShards = useShardProcesses();
const small = { hidden: 32, layers: 1, heads: 2, kvHeads: 1, experts: 4, topK: 2, contextTokens: 16_384 };
const shape = { ...tinyShape, ...small };
const expertBytes = 3 * shape.hidden * shape.expertWidth * 4;
/** The longest wait of a layer, which is also what a caller is told to wait. */
const patienceMs = 1_500;

async function newCheckpoint(): Promise<{ readonly folder: string; readonly checkpoint: Checkpoint }> {
  const folder = await mkdtemp(join(tmpdir(), 'argosy-lost-'));
  closing.push(() => rm(folder, { recursive: true }));
  await writeRandomCheckpoint(folder, shape, 3);
  const checkpoint = await Checkpoint.open(folder);
  closing.push(() => checkpoint.close());
  return { folder, checkpoint };
}

/** A shard for each half of the experts, with memory for no more. */
async function groupOf(checkpoint: Checkpoint, addresses: readonly string[]): Promise<ExpertGroup> {
  const patient = { ...usualRemoteLimits, openMs: 20_000, beatMs: 1_000, missedBeats: 20 };
  const shards = addresses.map((address) => new RemoteShard(address, patient));
  const limits = { minReplicas: 1, redundant: 0, expertBytes, shardBytes: 2 * expertBytes };
  const settings = { ...exact, limits, patienceMs };
  const group = await ExpertGroup.start(shards, checkpoint, { settings, logger: { log: () => undefined } });
  closing.push(() => group.close());
  return group;
}

/** Who is told when a reply is asked for, and when one has failed. */
interface Notes {
  asked(): void;
  failed(): void;
}

async function serve(checkpoint: Checkpoint, group: ExpertGroup, notes: Notes): Promise<number> {
  const model = await openModel(checkpoint, plainBackend(), group);
  const limits = { kvTokens: 32_768, stepTokens: 4_096, running: 2, waiting: 2, retryAfterMs: 10, weights: new Map() };
  const options = { limits, name: 'lost', version: '0', now: () => performance.now(), seed: () => 1 };
  const engine = await openEngine(checkpoint, model, options);
  const defaults = () => {
    notes.asked();
    return engine.defaults();
  };
  const tls = { cert: undefined, key: undefined, ca: undefined };
  const log = (_: string, event: string): void => (event === 'not generated' ? notes.failed() : undefined);
  // Callers send a seed of their own to a group whose combine is exact; one that is not draws it itself, here 1.
  const info = { ...engine.info, combineMode: inference.CombineMode.COMBINE_MODE_REDUCED };
  const server = await InferenceServer.start({ ...engine, defaults, info }, { listen: '127.0.0.1:0', tls }, { log });
  closing.push(() => server.stop(0));
  return server.port;
}

it('has its caller wait as long as the group asks, and goes on when the shard is back', async () => {
  const { folder, checkpoint } = await newCheckpoint();
  const processes = await startShards(folder, 2);
  const victim = processes[1];
  const addresses = processes.map(({ address }) => address);
  const [askedAt, failedAt] = [[] as number[], [] as number[]];
  const port = await serve(checkpoint, await groupOf(checkpoint, addresses), {
    asked: () => askedAt.push(performance.now()),
    failed: () => {
      if (failedAt.push(performance.now()) === 2) void victim?.again();
    },
  });
  const settings = { ARGOSY_MODEL: `grpc:127.0.0.1:${port}`, ARGOSY_MODEL_CONTEXT_TOKENS: '16384' };
  const { byName, defaultName } = await configuredModels(readConfig(settings));
  const turns = [{ role: 'question' as const, text: 'Why?' }];
  const request = { turns, tools: [], today: '2026-11-26', mustAnswer: false, maxCompletionTokens: 4, session: 'r' };
  victim?.signal('SIGKILL');
  await victim?.gone;
  const reply = await byName.get(defaultName)?.reply(request, new AbortController().signal);
  expect(reply?.usage).toMatchObject({ completionTokens: 4 });
  // Unasked it would have come again after half a second at most.
  expect((askedAt[1] ?? 0) - (failedAt[0] ?? 0)).toBeGreaterThanOrEqual(patienceMs - 50);
}, 120_000);
