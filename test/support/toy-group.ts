/** An inference group over a model of a few lines, served over real gRPC on loopback, for tests of what is around models. */
import { rm } from 'node:fs/promises';
import { credentials } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll } from '@jest/globals';
import { inference } from '#contracts/rpc';
import { Generator, type GroupLimits, Guides } from '#moe';
import { loadTokenizer, type Tokenizer } from '#tokens';
import type { Engine } from '../../apps/inference/src/service/engine.ts';
import { InferenceServer, type ServerOptions } from '../../apps/inference/src/service/server.ts';
import { tokenizerFolder } from './tokenizer-folder.ts';
import { type ToyModel, type ToyOptions, toyModel } from './toy-model.ts';

const toyLimits: Omit<GroupLimits, 'kvTokens'> = {
  stepTokens: 64,
  running: 8,
  waiting: 2,
  retryAfterMs: 1_500,
  weights: new Map(),
};
export const toyContextTokens = 2_000;
export const toyQuestion = 'What is a ferry?';

/** A group that serves, and a client of it. Both end with the test. */
export interface Stage {
  readonly client: inference.InferenceServiceClient;
  readonly address: string;
  readonly model: ToyModel;
  readonly engine: Engine;
  readonly server: InferenceServer;
}

/** How a group serves, where it matters. */
interface Serving extends Pick<ServerOptions, 'keepalive'> {
  readonly contextTokens?: number;
  readonly kvTokens?: number;
  readonly gpus?: number;
  /** Milliseconds, never running backwards. Default: the machine's. */
  readonly now?: () => number;
}

export interface ToyGroup {
  tokenizer(): Tokenizer;
  /** Tokens that the model knows. */
  vocabulary(): number;
  /** The token that ends a reply. */
  end(): number;
  stage(options?: Partial<ToyOptions>, serving?: Serving): Promise<Stage>;
  /** To be done after the test, the last first. */
  closing(close: () => Promise<void> | void): void;
}

/** To be called where the tests of a file are registered. */
export function useToyGroup(): ToyGroup {
  let folder: string;
  let tokenizer: Tokenizer;
  let [vocabulary, end] = [0, 0];
  const closing: (() => Promise<void> | void)[] = [];
  beforeAll(async () => {
    folder = await tokenizerFolder();
    tokenizer = await loadTokenizer(folder);
    end = tokenizer.encode('<|im_end|>')[0] ?? 0;
    vocabulary = (tokenizer.encode('</tool_response>')[0] ?? 0) + 1;
  });
  afterAll(async () => await rm(folder, { recursive: true }));
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  return {
    tokenizer: () => tokenizer,
    vocabulary: () => vocabulary,
    end: () => end,
    closing: (close) => closing.push(close),
    async stage(options = {}, serving = {}) {
      const model = toyModel({ vocabulary, ...options });
      const engine = engineOf(model, tokenizer, { vocabulary, end, ...serving });
      const tls = { cert: undefined, key: undefined, ca: undefined };
      const quiet = { log: () => undefined };
      const server = await InferenceServer.start(engine, { listen: '127.0.0.1:0', tls, ...serving }, quiet);
      const address = `127.0.0.1:${server.port}`;
      const client = new inference.InferenceServiceClient(address, credentials.createInsecure());
      closing.push(
        async () => await server.stop(0),
        () => client.close(),
      );
      return { client, address, model, engine, server };
    },
  };
}

const usualNow = (): number => performance.now();

interface ToyFacts extends Serving {
  readonly vocabulary: number;
  readonly end: number;
}

function engineOf(
  model: ToyModel,
  tokenizer: Tokenizer,
  { vocabulary, end, contextTokens = toyContextTokens, kvTokens = 4_000, gpus = 0, now = usualNow }: ToyFacts,
): Engine {
  const speech = {
    model: 'toy',
    bytesOf: (id: number) => tokenizer.bytesOf(id),
    endIds: new Set([end]),
    contextTokens,
  };
  return {
    generator: new Generator(model, speech, { ...toyLimits, kvTokens }, now),
    guides: new Guides({ size: vocabulary, ...speech }),
    tokenizer,
    vocabulary,
    now,
    defaults: () => ({
      temperature: 0,
      topP: 1,
      topK: 0,
      presencePenalty: 0,
      repetitionPenalty: 1,
      seed: 3,
      stop: [],
      maxTokens: 20,
      logprobs: null,
    }),
    group: () => ({ balancedness: undefined, planEpoch: undefined }),
    info: inference.GetInfoResponse.fromPartial({
      model: 'toy',
      engine: 'argosy-ep',
      contextTokens,
      kvTotalTokens: kvTokens,
      gpus,
      combineMode: inference.CombineMode.COMBINE_MODE_DETERMINISTIC,
    }),
  };
}

let lastId = 0;

/** What a request changes of the usual one. */
export type Changes = Partial<Omit<inference.GenerateRequest, 'sampling'>> & {
  readonly sampling?: Partial<inference.Sampling>;
};

/** A request with an id of its own, for a reply to {@link toyQuestion} in session `s`. */
export function ask({ sampling, ...changes }: Changes = {}): inference.GenerateRequest {
  return {
    ...inference.GenerateRequest.fromPartial({ requestId: `r${++lastId}`, sessionId: 's' }),
    prompt: { $case: 'messages', value: { messages: [{ role: 'user', content: toyQuestion }] } },
    sampling: { ...inference.Sampling.fromPartial({}), ...sampling },
    ...changes,
  };
}
