/** Whole runs with a model of random weights: what holds its replies to their form makes it act. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { configuredModels } from '#model';
import { Checkpoint, localExperts, openModel, threadBackend, tinyShape, writeRandomCheckpoint } from '#moe';
import { readConfig } from '#platform';
import { Corpora, searchTool, type Tool, toolSignatures } from '#tools';
import { useAgents } from '../../../../test/support/agents.ts';
import { temporaryFolder } from '../../../../test/support/embedded.ts';
import { writeFerryCorpus } from '../../../../test/support/ferry-corpus.ts';
import { limitsOf, requestOf } from '../../../../test/support/research.ts';
import { openEngine } from './engine.ts';
import { InferenceServer } from './server.ts';

const shape = { ...tinyShape, hidden: 32, layers: 1, heads: 2, kvHeads: 1, experts: 4, topK: 2, contextTokens: 32_768 };
const folder = temporaryFolder();
const closing: (() => Promise<unknown>)[] = [];
/** The arguments of all searches. */
const asked: unknown[] = [];
let corpora: Corpora;
let corpusId: string;
let group: string;

const search: Tool = {
  signature: toolSignatures([]).find(({ name }) => name === 'search') ?? { name: '', description: '', parameters: {} },
  deadlineMs: 20_000,
  sideEffects: false,
  run: async (args, context) => {
    asked.push(args);
    return await searchTool(corpora, null).run(args, context);
  },
};

beforeAll(async () => {
  corpora = await Corpora.open(join(folder, 'index'));
  closing.push(() => corpora.close());
  corpusId = (await corpora.sync(writeFerryCorpus(folder))).id;
  await writeRandomCheckpoint(join(folder, 'model'), shape, 11);
  const checkpoint = await Checkpoint.open(join(folder, 'model'));
  // In threads the kernels run as they do in a process of their own: inside jest they are ten times slower.
  const backend = threadBackend({ threads: 1 });
  closing.push(() => backend.close());
  const model = await openModel(checkpoint, backend, await localExperts(checkpoint, backend));
  const limits = { kvTokens: 65_536, stepTokens: 2_048, running: 4, waiting: 4, retryAfterMs: 10, weights: new Map() };
  let seed = 0;
  const options = { limits, name: 'random', version: '0', now: () => performance.now(), seed: () => ++seed };
  const engine = await openEngine(checkpoint, model, options);
  await checkpoint.close();
  const tls = { cert: undefined, key: undefined, ca: undefined };
  const server = await InferenceServer.start(engine, { listen: '127.0.0.1:0', tls }, { log: () => undefined });
  closing.push(() => server.stop(0));
  group = `grpc:127.0.0.1:${server.port}`;
});
afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

const { work, accepted, ended } = useAgents([search]);

it('searches with calls that can be read, and ends with a report whose claims nothing supports', async () => {
  const config = { ARGOSY_MODEL: group, ARGOSY_MODEL_CONSTRAIN: 'calls', ARGOSY_MODEL_CONTEXT_TOKENS: '32000' };
  const { byName, defaultName } = await configuredModels(readConfig(config));
  const model = byName.get(defaultName);
  if (model === undefined) throw new Error('the configuration names no model');
  await work(model);
  const sources = { ...requestOf().sources, corpora: [corpusId] };
  const limits = limitsOf({ budget: { steps: 3 }, replyTokens: 250, answerTokens: 250, answerSeconds: 60 });
  const runId = await accepted({ question: 'What does a crossing cost?', sources, limits });
  const { report } = await ended(runId);
  expect(report).toMatchObject({
    status: expect.stringMatching(/^(in)?complete/),
    usage: { steps: expect.any(Number) },
  });
  expect(report?.usage.tool_calls).toBeGreaterThan(0);
  expect(asked).toHaveLength(report?.usage.tool_calls ?? 0);
  for (const args of asked) expect(args).toEqual({ query: expect.arrayContaining([expect.any(String)]) });
  expect(report?.answer).not.toBe('');
  expect(report?.claims.filter(({ verdict }) => verdict === 'supported')).toEqual([]);
}, 120_000);
