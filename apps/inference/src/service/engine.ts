/** What the service serves: a model, its tokenizer, and the loop that generates with them. */
import { basename, resolve } from 'node:path';
import { inference } from '#contracts/rpc';
import {
  type Checkpoint,
  type GenerationEvent,
  type GenerationRequest,
  Generator,
  type GroupLimits,
  Guides,
  type Load,
  type Model,
  type Sampling,
} from '#moe';
import type { Tokenizer } from '#tokens';
import { fingerprintsOf } from './fingerprints.ts';
import { traceSteps } from './generation-spans.ts';

/** A request with the message that it came as, for who generates elsewhere: what the message leaves open, it leaves open. */
export interface ReplyRequest extends GenerationRequest {
  readonly message: inference.GenerateRequest;
  /** Of the span that it is generated in, where that is sampled, here or by the caller. */
  readonly traceparent?: string | undefined;
}

/** Who generates: the loop over a model of our own, or a server that we stand before. */
export interface Replies {
  /** True: no new session is taken. */
  draining: boolean;
  /** Prompt and reply together. */
  readonly contextTokens: number;
  /** What is not known is absent. */
  readonly load: { readonly [K in keyof Load]?: Load[K] | undefined };
  /** As {@link Generator.generate} has it. */
  generate(request: ReplyRequest): AsyncIterable<GenerationEvent>;
  /** Forgets a session. @returns tokens that were kept for it; 0 where that is not known */
  release(session: string): number;
}

export interface Engine {
  readonly generator: Replies;
  /** Of what requests hold their replies to; null where the generator sees to that itself. */
  readonly guides: Guides | null;
  readonly tokenizer: Tokenizer;
  readonly vocabulary: number;
  /** What a request has that says nothing; the seed is new each time. */
  defaults(): Sampling;
  /** All but `draining`. */
  readonly info: inference.GetInfoResponse;
  /** What the experts' group knows of itself, for the load; empty where it knows nothing. */
  group(): GroupLoad;
  /** Where the experts are; absent where they are in one process, or another engine's affair. */
  experts?(): inference.GetExpertsResponse;
  /** Tells whenever the process can, or can no longer, do its work; absent where it always can. */
  readonly onReady?: (tell: (isReady: boolean) => void) => void;
  /** Milliseconds, never running backwards. */
  now(): number;
}

type GroupLoad = Pick<inference.WatchLoadResponse, 'balancedness' | 'planEpoch'> &
  Partial<Pick<inference.WatchLoadResponse, 'kvTotalTokens'>>;

export interface EngineOptions {
  readonly limits: GroupLimits;
  /** As requests and reports name the model; null: as the checkpoint's folder. */
  readonly name: string | null;
  /** Of the engine. */
  readonly version: string;
  /** That the group holds, its shards' included; absent: none. */
  readonly gpus?: number;
  readonly now: () => number;
  /** Whole numbers below 2^53, for requests without a seed. */
  readonly seed: () => number;
  /** What is known of the experts' group; absent for one without shards. */
  readonly group?: GroupFacts;
}

export interface GroupFacts {
  readonly expertParallelSize: number;
  readonly combineMode: inference.CombineMode;
  load(): ReturnType<Engine['group']>;
  experts(): inference.GetExpertsResponse;
}

/**
 * @param model opened from the checkpoint, wherever its experts are
 * @throws InvalidInput when the tokenizer cannot be read or does not fit the model
 */
export async function openEngine(checkpoint: Checkpoint, model: Model, options: EngineOptions): Promise<Engine> {
  const { limits, now, seed, group } = options;
  const { vocabulary, contextTokens } = model.config;
  const tokenizer = await checkpoint.tokenizer();
  // Refuses a vocabulary that no reply can be written with.
  tokenizer.bytesOf(0);
  const endIds = new Set(checkpoint.generation.eosTokens);
  const fingerprints = await fingerprintsOf(checkpoint.folder);
  const bytesOf = (id: number) => (endIds.has(id) ? nothing : tokenizer.bytesOf(id));
  const speech = { model: fingerprints.checkpointSha256, bytesOf, endIds, contextTokens };
  const generator = new Generator(traceSteps(model, now), speech, limits, now);
  const facts = group ?? alone;
  return {
    generator,
    guides: new Guides({ size: vocabulary, bytesOf, endIds }),
    tokenizer,
    vocabulary,
    now,
    defaults: () => ({ ...defaultsOf(checkpoint, generator.contextTokens), seed: seed() }),
    group: facts.load,
    ...(group && { experts: group.experts }),
    info: {
      ...fingerprints,
      model: options.name ?? basename(resolve(checkpoint.folder)),
      engine: 'argosy-ep',
      engineVersion: options.version,
      contextTokens: generator.contextTokens,
      vocabularySize: vocabulary,
      expertParallelSize: facts.expertParallelSize,
      kvTotalTokens: limits.kvTokens,
      combineMode: facts.combineMode,
      draining: false,
      gpus: options.gpus ?? 0,
    },
  };
}

const nothing = new Uint8Array(0);

/** All experts in this process, added one by one. */
const alone: Omit<GroupFacts, 'experts'> = {
  expertParallelSize: 1,
  combineMode: inference.CombineMode.COMBINE_MODE_DETERMINISTIC,
  load: () => ({ balancedness: undefined, planEpoch: undefined }),
};

function defaultsOf({ generation }: Checkpoint, contextTokens: number): Omit<Sampling, 'seed'> {
  return {
    temperature: generation.temperature ?? 1,
    topP: generation.topP ?? 1,
    topK: generation.topK ?? 0,
    presencePenalty: 0,
    repetitionPenalty: generation.repetitionPenalty ?? 1,
    stop: [],
    maxTokens: contextTokens,
    logprobs: null,
  };
}
