import { randomUUID } from 'node:crypto';
import { inference } from '#contracts/rpc';
import type { ModelReply, ModelUsage, Turn } from '#domain';
import type { Tokenizer } from '#tokens';
import type { ChatModel, ChatRequest, OnDelta, PromptCount } from './chat-model.ts';
import { type Clock, systemClock } from './clock.ts';
import { GrpcGroup, type GrpcTls } from './grpc-channel.ts';
import { isServiceError, rpcFault } from './grpc-faults.ts';
import { type Failed, failed, otherModel, stalled } from './openai-faults.ts';
import { OutputParser } from './output-parser.ts';
import type { Generated, Profile, Prompt } from './profile.ts';
import { countByEstimate, countByTokenizer } from './prompt-count.ts';
import { type Attempt, defaultRetryPolicy, type RetryPolicy, retrying } from './retry.ts';
import { type SilenceWatch, silenceWatch } from './silence.ts';

/** An inference group and how to treat it. */
export interface GrpcModelOptions {
  /** `host:port` */
  readonly address: string;
  /** Its name for reports and telemetry. */
  readonly name: string;
  readonly profile: Profile;
  /** What runs are planned for; a group whose context is smaller is refused at the first call. */
  readonly contextTokens: number;
  /** Null, the default: plain text. */
  readonly tls?: GrpcTls | null;
  /** Longest silence while a reply is waited for or comes. Default 120,000: a long prompt takes its time. */
  readonly silenceMs?: number;
  /** The model's own, to count prompts without asking the group. */
  readonly tokenizer?: Tokenizer;
  readonly retry?: Partial<RetryPolicy>;
  readonly clock?: Clock;
  /** Uniform in [0, 1), for the spread of retries. */
  readonly random?: () => number;
}

const FinishReason = inference.FinishReason;

/** A model behind `InferenceService`. A run is a session there, so that each prompt costs what is new in it. */
export function grpcModel(options: GrpcModelOptions): ChatModel {
  const { profile, clock = systemClock, random = Math.random } = options;
  const policy = { ...defaultRetryPolicy, ...options.retry };
  const group = new GrpcGroup(options.address, options.tls ?? null);
  const served = new WeakMap<Turn, string>();
  return {
    name: options.name,
    profile: profile.id,
    contextTokens: Math.min(options.contextTokens, profile.limits.contextTokens),
    countPrompt: async (request) => await counted(profile.render(request), request, { group, options }),
    async reply(request, signal, onDelta = () => {}) {
      const prompt = profile.render(request);
      const maxTokens = Math.min(request.maxCompletionTokens, profile.limits.replyTokens);
      const call: Call = { options, group, request, prompt, maxTokens, served, onDelta, clock, policy };
      const received = await retrying((stop) => attempt(call, stop), { policy, clock, random, signal });
      return replyOf(received, call);
    },
  };
}

/** What all tries of one call share. */
interface Call {
  readonly options: GrpcModelOptions;
  readonly group: GrpcGroup;
  readonly request: ChatRequest;
  readonly prompt: Prompt;
  readonly maxTokens: number;
  /** By a run's first turn, which checkpoint its replies come from. */
  readonly served: WeakMap<Turn, string>;
  readonly onDelta: OnDelta;
  readonly clock: Clock;
  readonly policy: RetryPolicy;
}

interface Received extends Generated {
  readonly usage: ModelUsage;
}

/** By the configured tokenizer, else by the group; a group that does not answer leaves an estimate, and fails the call. */
async function counted(
  prompt: Prompt,
  request: ChatRequest,
  { group, options }: Pick<Call, 'group' | 'options'>,
): Promise<PromptCount> {
  if (options.tokenizer !== undefined) return await countByTokenizer(options.tokenizer)(prompt, request);
  try {
    return { tokens: await group.count({ prompt: messagesOf(prompt) }), basis: 'tokenizer' };
  } catch (error) {
    if (!isServiceError(error)) throw error;
    return await countByEstimate(prompt, request);
  }
}

function messagesOf({ messages }: Prompt) {
  const value = { messages: messages.map(({ role, content }) => ({ role, content })) };
  return { $case: 'messages' as const, value };
}

/** One reply from the first question to the last token. `stop` fires on the caller's wish and on the deadline of all tries. */
async function attempt(call: Call, stop: AbortSignal): Promise<Attempt<Received>> {
  const { options, clock } = call;
  const silence = silenceWatch(clock, options.silenceMs ?? 120_000);
  try {
    const over = AbortSignal.any([stop, silence.signal]);
    return (await unfit(call, over)) ?? (await receive(call, over, silence));
  } catch (error) {
    if (!isServiceError(error)) throw error;
    if (silence.signal.aborted) return stalled(`said nothing for ${silence.signal.reason} ms`, endpointOf(options));
    return stop.aborted
      ? stalled('was still at it when its time was over', endpointOf(options))
      : rpcFault(error, options.address);
  } finally {
    silence.end();
  }
}

/** Why this group may not answer this run, or null. @throws ServiceError */
async function unfit({ options, group, request, served }: Call, over: AbortSignal): Promise<Failed | null> {
  const info = await group.info(over);
  const planned = Math.min(options.contextTokens, options.profile.limits.contextTokens);
  if (info.contextTokens < planned) {
    return failed(
      'invalid',
      `The inference group at ${options.address} holds ${info.contextTokens} tokens of context, and runs are planned for ${planned}. Set ARGOSY_MODEL_CONTEXT_TOKENS=${info.contextTokens}.`,
    );
  }
  // A run's first turn is the same object for as long as one worker drives it.
  const [run] = request.turns;
  const now = `${info.model} (${info.checkpointSha256.slice(0, 12)})`;
  const before = run && served.get(run);
  if (before !== undefined && before !== now) return otherModel(now, before, endpointOf(options));
  if (run) served.set(run, now);
  return null;
}

/** @throws ServiceError */
async function receive(call: Call, over: AbortSignal, silence: SilenceWatch): Promise<Attempt<Received>> {
  const { options, group, request, onDelta, policy } = call;
  const asked = requestOf(call);
  const stream = group.generate(asked, { traceparent: request.traceparent, deadlineMs: policy.deadlineMs });
  const leave = (): void => {
    group.abort(asked.requestId);
    stream.cancel();
  };
  over.addEventListener('abort', leave, { once: true });
  if (over.aborted) leave();
  const output = new OutputParser(options.profile.stop);
  const tell = (text: string): void => (text === '' ? undefined : onDelta(text));
  let finished: inference.Finished | undefined;
  try {
    for await (const { event } of stream as AsyncIterable<inference.GenerateResponse>) {
      silence.heard(options.silenceMs ?? 120_000);
      if (event?.$case === 'finished') finished = event.value;
      if (event?.$case !== 'delta' || output.stopped) continue;
      tell(output.push(event.value.text));
      // What runs in a circle goes no further; the group still says what it cost.
      if (output.stopped) group.abort(asked.requestId);
    }
  } finally {
    over.removeEventListener('abort', leave);
  }
  tell(output.flush());
  return readEnd(output, finished, options);
}

function requestOf({ options, request, prompt, maxTokens }: Call): inference.GenerateRequest {
  const { stop } = options.profile;
  const sampling = prompt.sampling ?? options.profile.sampling;
  return {
    ...inference.GenerateRequest.fromPartial({}),
    requestId: randomUUID(),
    sessionId: request.session,
    turn: request.turns.filter(({ role }) => role === 'model').length,
    prompt: messagesOf(prompt),
    sampling: { ...inference.Sampling.fromPartial({}), ...sampling, stop: [...stop], maxTokens },
  };
}

function readEnd(
  output: OutputParser,
  finished: inference.Finished | undefined,
  options: GrpcModelOptions,
): Attempt<Received> {
  const stopped = output.stopped;
  const whole = output.end();
  if (finished === undefined) return stalled('cut its reply off before the end', endpointOf(options));
  const { reason, usage } = finished;
  if (reason === FinishReason.FINISH_REASON_ABORTED && !stopped) {
    return stalled('aborted the reply, which nobody here asked for', endpointOf(options));
  }
  if (reason === FinishReason.FINISH_REASON_DEADLINE) {
    return stalled('did not finish the reply in its time', endpointOf(options));
  }
  if (whole.text.trim() === '') return stalled('sent an empty reply', endpointOf(options));
  const isCut = reason === FinishReason.FINISH_REASON_LENGTH || reason === FinishReason.FINISH_REASON_CONTEXT;
  const { promptTokens, cachedTokens, completionTokens } = usage ?? inference.Usage.fromPartial({});
  return {
    ok: true,
    value: {
      output: whole,
      calls: [],
      finish: isCut ? 'length' : 'stop',
      usage: { promptTokens, cachedTokens, completionTokens },
    },
  };
}

function endpointOf({ address, name }: GrpcModelOptions) {
  return { baseUrl: address, model: name };
}

function replyOf({ usage, ...generated }: Received, { options, request, maxTokens }: Call): ModelReply {
  const { problem, ...parsed } = options.profile.read(generated, request);
  const cut = generated.finish === 'length' ? ` It was cut at its limit of ${maxTokens} tokens: write less.` : '';
  return { ...parsed, ...(problem === undefined ? {} : { problem: problem + cut }), usage };
}
