/** The adapter over real gRPC and real HTTP, before a server that misbehaves. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Metadata, status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { health, inference } from '#contracts/rpc';
import { loadTokenizer, type Tokenizer } from '#tokens';
import { type TokenizerFiles, tokenizerFiles, tokenizerFolder } from '../../../../test/support/tokenizer-folder.ts';
import { type VllmFault, type VllmOptions, VllmServer } from '../../../../test/support/vllm-server.ts';
import { asServiceError, replyOf, requestOf, retryMsOf, sessionOf, Target } from '../conformance/target.ts';
import type { Replies } from '../service/engine.ts';
import { InferenceServer } from '../service/server.ts';
import { EngineServer } from './engine-server.ts';
import { type AdapterOptions, openAdapter } from './open-adapter.ts';

const quiet = { log: () => undefined };
const closing: (() => unknown)[] = [];
let folder: string;
let tokenizer: Tokenizer;

beforeAll(async () => {
  folder = await checkpointFolder();
  tokenizer = await loadTokenizer(folder);
});
afterAll(async () => await rm(folder, { recursive: true }));
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** As much of a checkpoint as an adapter reads. */
async function checkpointFolder(changes?: Partial<TokenizerFiles>): Promise<string> {
  const made = await tokenizerFolder(changes);
  await writeFile(join(made, 'model.safetensors.index.json'), '{}');
  return made;
}

interface Staged {
  readonly server: VllmServer;
  readonly target: Target;
  readonly replies: Replies;
}

type Changes = Partial<VllmOptions> & { readonly adapter?: Partial<AdapterOptions>; readonly key?: string };

async function stage({ adapter, key, ...shape }: Changes = {}): Promise<Staged> {
  const server = await VllmServer.start({ tokenizer, ...shape });
  closing.push(() => server.close());
  const times = { everyMs: 20, limitMs: 10_000 };
  const usual = {
    folder,
    name: null,
    most: 8,
    retryAfterMs: 700,
    silenceMs: 60_000,
    times,
    now: () => performance.now(),
  };
  const opened = await openAdapter(new EngineServer(server.url, key), { ...usual, ...adapter }, quiet);
  const tls = { cert: undefined, key: undefined, ca: undefined };
  const serving = await InferenceServer.start(opened.engine, { listen: '127.0.0.1:0', tls }, quiet);
  const target = new Target(`127.0.0.1:${serving.port}`);
  closing.push(
    () => opened.watch.close(),
    () => serving.stop(0),
    () => target.close(),
  );
  return { server, target, replies: opened.engine.generator };
}

describe('what the server is asked for', () => {
  it('is what the request says; what it leaves open is left to the server', async () => {
    const { server, target } = await stage();
    await target.reply({ sampling: { maxTokens: 4 } });
    const sampling = { temperature: 0.5, topP: 0.9, topK: 0, presencePenalty: 1, seed: 9, stop: ['zz'], logprobs: 1 };
    const reply = await target.reply({ tenant: '', sampling: { ...sampling, maxTokens: 4 } });
    const [bare, full] = server.requests;
    expect(bare).toMatchObject({ model: 'shaped', temperature: 0, max_tokens: 4, cache_salt: 'tenant conformance' });
    for (const field of ['seed', 'top_p', 'top_k', 'stop', 'logprobs']) expect(bare).not.toHaveProperty(field);
    const common = { top_k: -1, presence_penalty: 1, seed: 9, stop: ['zz'], logprobs: 1 };
    expect(full).toMatchObject({ ...common, return_tokens_as_token_ids: true, return_token_ids: true });
    expect(full).not.toHaveProperty('cache_salt');
    // How many tokens come in one delta is a matter of time.
    const deltas = reply.events.flatMap((event) => (event.$case === 'delta' ? [event.value] : []));
    const ids = deltas.flatMap(({ tokenIds }) => tokenIds);
    expect(ids).toHaveLength(4);
    expect(deltas.flatMap(({ logprobs }) => logprobs)).toMatchObject(
      ids.map((id) => ({ chosen: { id, logprob: -0.5 }, top: [{ id, logprob: -0.5 }] })),
    );
  });

  it('never leaves less room than the prompt needs, and says when the context ended the reply', async () => {
    const { target } = await stage({ contextTokens: 60 });
    const { finished } = await target.reply({ sampling: { maxTokens: 500 } });
    const { promptTokens = 0, completionTokens = 0 } = finished.usage ?? {};
    expect(promptTokens + completionTokens).toBe(60);
    expect(finished.reason).toBe(inference.FinishReason.FINISH_REASON_CONTEXT);
  });
});

const mishaps: readonly [string, VllmFault, status, RegExp][] = [
  ['429 with a time', { kind: 'status', status: 429, retryAfter: '3' }, status.RESOURCE_EXHAUSTED, /in 3000 ms/],
  ['503', { kind: 'status', status: 503, message: 'engine dead' }, status.UNAVAILABLE, /failed with 503: engine dead/],
  [
    '400',
    { kind: 'status', status: 400, message: 'bad stop' },
    status.INVALID_ARGUMENT,
    /refuses the request: bad stop/,
  ],
  ['404', { kind: 'status', status: 404 }, status.INTERNAL, /answers 404.*ARGOSY_INFERENCE_SERVER/],
  [
    'a web page',
    { kind: 'page', type: 'text/html', body: '<p>' },
    status.INTERNAL,
    /with text\/html, not with a stream/,
  ],
  ['a cut connection', { kind: 'cut', afterTokens: 3 }, status.UNAVAILABLE, /cut the connection in a reply/],
  ['an end in the middle', { kind: 'end', afterTokens: 3 }, status.UNAVAILABLE, /ended a reply in the middle/],
  [
    'an error event',
    { kind: 'error-event', afterTokens: 3, message: 'out of memory' },
    status.UNAVAILABLE,
    /out of memory/,
  ],
  ['garbage', { kind: 'garbage', afterTokens: 3 }, status.INTERNAL, /is no event of a completion/],
  ['no token ids', { kind: 'no-ids' }, status.INTERNAL, /gives no token ids.*0\.10\.2/],
];

describe('a server that answers a request with', () => {
  it.each(mishaps)('%s fails that call as it deserves, and the next one works', async (_, fault, code, words) => {
    const { server, target } = await stage();
    server.faults.push(fault);
    const error = await target.failure(requestOf());
    expect({ code: error.code, details: error.details }).toEqual({ code, details: expect.stringMatching(words) });
    const isTold = code === status.UNAVAILABLE || code === status.RESOURCE_EXHAUSTED;
    expect(retryMsOf(error) ?? 0).toBe(isTold ? (fault.kind === 'status' && fault.retryAfter ? 3_000 : 1_000) : 0);
    await target.reply();
  });
});

describe('a reply that nobody wants', () => {
  it('is closed at the server when its caller leaves, and when its deadline passes', async () => {
    const { server, target } = await stage();
    server.gate = async (token) => (token < 2 ? undefined : await new Promise(() => {}));
    const stream = target.generate(requestOf());
    await expect(
      (async () => {
        for await (const { event } of stream) if (event?.$case === 'delta') stream.cancel();
      })(),
    ).rejects.toMatchObject({ code: status.CANCELLED });
    await server.until(() => server.abandoned === 1);
    const late = await replyOf(target.generate(requestOf({ deadlineMs: 300 }))).catch(asServiceError);
    // On a machine that is busy the deadline may come before the first token.
    if ('finished' in late) expect(late.finished.reason).toBe(inference.FinishReason.FINISH_REASON_DEADLINE);
    else expect(late.code).toBe(status.DEADLINE_EXCEEDED);
    await server.until(() => server.abandoned === 2 || server.requests.length === 1);
  });

  it('is given up when the server falls silent in it', async () => {
    const { server, target } = await stage({ adapter: { silenceMs: 300 } });
    server.faults.push({ kind: 'hang', afterTokens: 2 });
    server.gate = async (token) => (token < 2 ? undefined : await new Promise(() => {}));
    const error = await target.failure(requestOf());
    expect(error).toMatchObject({
      code: status.UNAVAILABLE,
      details: expect.stringMatching(/said nothing for 300/),
    });
    await server.until(() => server.abandoned === 1);
  });
});

describe('the trace of a reply', () => {
  it('goes on at the server where its caller has it sampled, and is not begun for those that nobody traces', async () => {
    const { server, target } = await stage();
    const traced = async (flags: string) => {
      const headers = new Metadata();
      headers.set('traceparent', `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${flags}`);
      await replyOf(target.generate(requestOf(), headers));
    };
    await traced('01');
    await traced('00');
    await target.reply();
    expect(server.traceparents).toEqual([
      '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      undefined,
      undefined,
    ]);
  });
});

describe('the time of GPUs', () => {
  it('is shared by the calls that are at the server together, from when they are sent', async () => {
    let ms = 0;
    const { server, target, replies } = await stage({ adapter: { gpus: 4, now: () => ms } });
    // In whole numbers for two.
    server.gate = async () => {
      ms += 12;
    };
    const both = await Promise.all([target.reply(), target.reply({ sampling: { maxTokens: 9 } })]);
    const took = both.map(({ finished }) => finished.usage?.gpuMs ?? 0);
    expect(Math.min(...took)).toBeGreaterThan(0);
    const busyMs = replies.load.busyMs ?? 0;
    expect(took.reduce((sum, one) => sum + one)).toBe(4 * busyMs);
    ms += 10_000;
    server.faults.push({ kind: 'cut', afterTokens: 3 });
    await target.failure(requestOf());
    const { finished } = await target.reply();
    const { busyMs: after = 0 } = replies.load;
    expect(after - busyMs).toBe((finished.usage?.gpuMs ?? 0) / 4 + 3 * 12);
    expect((await target.info()).gpus).toBe(4);
  });
});

describe('too many requests', () => {
  it('are refused with a time to come again, and taken when others have ended', async () => {
    const { server, target } = await stage({ adapter: { most: 1 } });
    const gate = Promise.withResolvers<void>();
    server.gate = async () => await gate.promise;
    const first = replyOf(target.generate(requestOf()));
    await server.until(() => server.requests.length === 1);
    const refused = await target.failure(requestOf());
    expect(refused.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(retryMsOf(refused)).toBe(700);
    gate.resolve();
    await first;
    await target.reply();
  });
});

describe('sessions', () => {
  it('are taken as long as what they may come to need fits beside the others, and known ones always', async () => {
    const { target } = await stage({ blocks: 100 });
    for await (const { kvTotalTokens } of target.watchLoad(100)) if (kvTotalTokens === 1_600) break;
    const session = { ...sessionOf(), sessionTokensHint: 1_000 };
    await target.reply(session);
    const other = { sessionId: 'another' };
    const refused = await target.failure(requestOf({ ...session, ...other }));
    expect(refused).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: expect.stringMatching(/1000 tokens are/),
    });
    expect(retryMsOf(refused)).toBeGreaterThanOrEqual(1_000);
    await target.reply({ ...session, turn: 1 });
    await target.release(session);
    await target.reply({ ...session, ...other });
  });

  it('go on with a reply that began elsewhere, and tell it from its beginning', async () => {
    const { server, target } = await stage();
    const whole = await target.reply();
    const generated = { ids: whole.ids.slice(0, 10) };
    const rest = await target.reply({ generated });
    expect(rest.ids).toHaveLength(24);
    expect(rest.ids.slice(0, 10)).toEqual(generated.ids);
    expect(rest.finished.usage).toMatchObject({
      promptTokens: whole.finished.usage?.promptTokens,
      completionTokens: 24,
    });
    expect(server.requests[1]?.prompt).toEqual([...(server.requests[0]?.prompt ?? []), ...generated.ids]);
    expect(server.requests[1]?.max_tokens).toBe(14);
    const over = await target.reply({ generated: { ids: [...whole.ids] } });
    expect(over).toMatchObject({ text: whole.text, finished: { reason: whole.finished.reason } });
    expect(server.requests).toHaveLength(2);
  });
});

describe('health and load', () => {
  const serving = health.HealthCheckResponse_ServingStatus;

  async function until(target: Target, wanted: health.HealthCheckResponse_ServingStatus): Promise<void> {
    while ((await target.health('')).status !== wanted);
  }

  it('follow the server: ill, away, and well again', async () => {
    const { server, target } = await stage();
    await until(target, serving.SERVING);
    server.health = 'ill';
    await until(target, serving.NOT_SERVING);
    server.health = 'well';
    await until(target, serving.SERVING);
    const { port } = server;
    await server.close();
    await until(target, serving.NOT_SERVING);
    expect((await target.failure(requestOf())).code).toBe(status.UNAVAILABLE);
    const again = await VllmServer.start({ tokenizer, port });
    closing.push(() => again.close());
    await until(target, serving.SERVING);
    await target.reply();
  });

  it.each(['gone', 'garbage'] as const)('of a server whose metrics are %s are unknown, not 0', async (metrics) => {
    const { server, target } = await stage();
    const known = target.watchLoad(100);
    for await (const load of known) if (load.running === 0 && load.kvTotalTokens === 16_000) break;
    known.cancel();
    server.metrics = metrics;
    const watch = target.watchLoad(100);
    for await (const load of watch) {
      if (load.running !== undefined) continue;
      expect(load).toMatchObject({ waiting: undefined, kvUsedTokens: undefined, kvTotalTokens: undefined });
      expect(load.reservedTokens).toBe(0);
      break;
    }
    watch.cancel();
  });
});

describe('a start', () => {
  it('waits for a server that is not there yet', async () => {
    const server = await VllmServer.start({ tokenizer });
    const { url } = server;
    await server.close();
    const options = { folder, name: null, most: 8, retryAfterMs: 1, silenceMs: 1_000, now: () => performance.now() };
    const opened = openAdapter(new EngineServer(url, undefined), options, quiet);
    await expect(opened).rejects.toMatchObject({ code: 'server_away', retryable: true });
  });

  it('refuses a server that wants a key, and takes it with the key', async () => {
    await expect(stage({ apiKey: 'right', key: 'wrong' })).rejects.toThrow(
      /401: Unauthorized.*ARGOSY_INFERENCE_SERVER_API_KEY/,
    );
    const { target } = await stage({ apiKey: 'right', key: 'right' });
    await target.reply();
  });

  it("refuses a checkpoint that is not the server's", async () => {
    const other = await checkpointFolder(await tokenizerFiles(50));
    closing.push(() => rm(other, { recursive: true }));
    await expect(stage({ adapter: { folder: other } })).rejects.toThrow(
      /CHECKPOINT: is not the checkpoint of the server/,
    );
  });

  it('refuses a folder without a checkpoint', async () => {
    const bare = await tokenizerFolder();
    closing.push(() => rm(bare, { recursive: true }));
    await expect(stage({ adapter: { folder: bare } })).rejects.toThrow(/CHECKPOINT: .* holds no checkpoint/);
  });

  it('knows SGLang by its name', async () => {
    const { server, target } = await stage({ engine: 'sglang' });
    expect(await target.info()).toMatchObject({ engine: 'sglang', engineVersion: '0.0.0.test', contextTokens: 2_000 });
    const error = await target.failure(requestOf({ sampling: { logprobs: 2 } }));
    expect(error).toMatchObject({ code: status.INVALID_ARGUMENT, details: expect.stringMatching(/logprobs: SGLang/) });
    expect(server.requests).toEqual([]);
  });
});
