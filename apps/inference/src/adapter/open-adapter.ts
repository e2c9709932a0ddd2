/** The engine of an adapter: a server that generates, behind the contract of a group. */
import { inference } from '#contracts/rpc';
import { InvalidInput, messageOf } from '#errors';
import type { Sampling } from '#moe';
import type { Logger } from '#platform';
import { loadTokenizer } from '#tokens';
import type { Engine } from '../service/engine.ts';
import { fingerprintsOf } from '../service/fingerprints.ts';
import type { EngineServer } from './engine-server.ts';
import { identityOf, type ServerIdentity } from './server-identity.ts';
import { ServerReplies } from './server-replies.ts';
import { ServerWatch, type WatchTimes } from './server-watch.ts';

export interface AdapterOptions {
  /** The checkpoint that the server serves; its weights are not read. */
  readonly folder: string;
  /** As requests and reports name the model; null: as the server names it. */
  readonly name: string | null;
  readonly most: number;
  readonly retryAfterMs: number;
  readonly silenceMs: number;
  /** That the server computes on; absent: not told. */
  readonly gpus?: number;
  readonly times?: WatchTimes;
  readonly now: () => number;
}

export interface Adapter {
  readonly engine: Engine;
  readonly watch: ServerWatch;
}

/**
 * @throws ServerAway as long as the server does not answer, which may take minutes while it loads its weights
 * @throws InvalidInput or UnusableServer when the server is none, or another checkpoint's
 */
export async function openAdapter(server: EngineServer, options: AdapterOptions, logger: Logger): Promise<Adapter> {
  const tokenizer = await loadTokenizer(options.folder);
  // Refuses a vocabulary that no reply can be written with.
  tokenizer.bytesOf(0);
  const fingerprints = await fingerprintsOf(options.folder).catch((error: unknown) => {
    throw incomplete(options.folder, error);
  });
  const identity = await identityOf(server, tokenizer);
  const { model, dialect, contextTokens } = identity;
  const watch = new ServerWatch(server, logger, options.times);
  const { most, retryAfterMs, silenceMs, now } = options;
  const generator = new ServerReplies({
    ...{ server, most, retryAfterMs, silenceMs, now },
    wanted: { model, dialect, contextTokens },
    bytesOf: (id) => tokenizer.bytesOf(id),
    load: () => watch.load,
  });
  const engine: Engine = {
    generator,
    // The server does, or the request is refused.
    guides: null,
    tokenizer,
    vocabulary: tokenizer.size,
    now,
    defaults: () => checked(contextTokens),
    group: () => ({ balancedness: undefined, planEpoch: undefined, kvTotalTokens: watch.load.kvTotalTokens }),
    onReady: (tell) => watch.onReady(tell),
    info: infoOf(identity, options, { ...fingerprints, vocabularySize: tokenizer.size }),
  };
  return { engine, watch };
}

function incomplete(folder: string, cause: unknown): InvalidInput {
  const message = `${folder} holds no checkpoint (${messageOf(cause)}): name the folder that the server serves`;
  return new InvalidInput([{ path: 'ARGOSY_INFERENCE_CHECKPOINT', message }], { cause });
}

function infoOf(
  { model, dialect, version, contextTokens }: ServerIdentity,
  { name, gpus = 0 }: AdapterOptions,
  files: Pick<inference.GetInfoResponse, 'checkpointSha256' | 'tokenizerSha256' | 'vocabularySize'>,
): inference.GetInfoResponse {
  return {
    ...files,
    model: name ?? model,
    engine: dialect,
    engineVersion: version,
    contextTokens,
    // What the server keeps to itself.
    expertParallelSize: 0,
    kvTotalTokens: 0,
    combineMode: inference.CombineMode.COMBINE_MODE_UNSPECIFIED,
    draining: false,
    gpus,
  };
}

/** What the checks of a request go by where it says nothing; the server takes its own defaults. */
function checked(contextTokens: number): Sampling {
  return {
    temperature: 1,
    topP: 1,
    topK: 0,
    presencePenalty: 0,
    repetitionPenalty: 1,
    seed: 0,
    stop: [],
    maxTokens: contextTokens,
    logprobs: null,
  };
}
