/** One reply from one group: from the first question to the last token. */
import { randomUUID } from 'node:crypto';
import { inference } from '#contracts/rpc';
import type { ModelUsage, Turn } from '#domain';
import type { ChatRequest } from './chat-model.ts';
import type { Clock } from './clock.ts';
import type { GrpcGroup } from './grpc-channel.ts';
import { isServiceError, rpcFault } from './grpc-faults.ts';
import type { GrpcModelOptions } from './grpc-options.ts';
import { type Failed, failed, otherModel, stalled } from './openai-faults.ts';
import { OutputParser } from './output-parser.ts';
import type { Generated, Prompt } from './profile.ts';
import type { Attempt, RetryPolicy } from './retry.ts';
import { type SilenceWatch, silenceWatch } from './silence.ts';
import type { Telling } from './telling.ts';

const FinishReason = inference.FinishReason;

/** What all tries of one call share. */
export interface Call {
  readonly options: GrpcModelOptions;
  readonly request: ChatRequest;
  readonly prompt: Prompt;
  readonly maxTokens: number;
  /** What the session may come to need. */
  readonly sessionTokens: number;
  /** For groups that compute the same bits: then a reply that begins anew, or goes on elsewhere, is the same one. */
  readonly seed: number;
  /** By a run's first turn, which checkpoint its replies come from. */
  readonly served: WeakMap<Turn, string>;
  readonly telling: Telling;
  readonly clock: Clock;
  readonly policy: RetryPolicy;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Token ids of a reply that a group began and did not end; the next one goes on from there. */
  begun: readonly number[];
  /** Time of GPUs that its tries took, as far as groups have told. */
  gpuMs?: number;
}

export interface Received extends Generated {
  readonly usage: ModelUsage;
  /** How long the group says that it waited for a place. */
  readonly queuedMs?: number;
}

/** Where a call is asked. */
export interface Place {
  readonly address: string;
  readonly group: GrpcGroup;
  /** Who asks, as W3C `traceparent`. */
  readonly span: string | undefined;
}

/** `stop` fires on the caller's wish and on the deadline of all tries. */
export async function replyFrom(place: Place, call: Call, stop: AbortSignal): Promise<Attempt<Received>> {
  const { options, clock } = call;
  const at = endpointOf(place, options);
  const silence = silenceWatch(clock, options.silenceMs ?? 120_000);
  try {
    const over = AbortSignal.any([stop, silence.signal]);
    const info = await place.group.info(over);
    return unfit(info, place, call) ?? (await receive(place, call, { over, silence, seeded: isExact(info) }));
  } catch (error) {
    if (!isServiceError(error)) throw error;
    if (silence.signal.aborted)
      return { ...stalled(`said nothing for ${silence.signal.reason} ms`, at), because: 'gone' };
    return stop.aborted ? stalled('was still at it when its time was over', at) : rpcFault(error, place.address);
  } finally {
    silence.end();
  }
}

function isExact({ combineMode }: inference.GetInfoResponse): boolean {
  return combineMode === inference.CombineMode.COMBINE_MODE_DETERMINISTIC;
}

/** Why this group may not answer this run, or null. */
function unfit(info: inference.GetInfoResponse, place: Place, { options, request, served }: Call): Failed | null {
  const planned = Math.min(options.contextTokens, options.profile.limits.contextTokens);
  if (info.contextTokens < planned) {
    return failed(
      'invalid',
      `The inference group at ${place.address} holds ${info.contextTokens} tokens of context, and runs are planned for ${planned}. Set ARGOSY_MODEL_CONTEXT_TOKENS=${info.contextTokens}.`,
    );
  }
  // A run's first turn is the same object for as long as one worker drives it.
  const [run] = request.turns;
  const now = `${info.model} (${info.checkpointSha256.slice(0, 12)})`;
  const before = run && served.get(run);
  if (before !== undefined && before !== now) {
    return { ...otherModel(now, before, endpointOf(place, options)), because: 'away' };
  }
  if (run) served.set(run, now);
  return null;
}

interface Listening {
  readonly over: AbortSignal;
  readonly silence: SilenceWatch;
  readonly seeded: boolean;
}

/** @throws ServiceError */
async function receive(place: Place, call: Call, { over, silence, seeded }: Listening): Promise<Attempt<Received>> {
  const { options, telling, policy } = call;
  const { group, span } = place;
  const asked = requestOf(call, seeded);
  const stream = group.generate(asked, { traceparent: span, deadlineMs: policy.deadlineMs });
  const leave = (): void => {
    group.abort(asked.requestId);
    stream.cancel();
  };
  over.addEventListener('abort', leave, { once: true });
  if (over.aborted) leave();
  const output = new OutputParser(options.profile.stop);
  const ids: number[] = [];
  let queuedMs = 0;
  let finished: inference.Finished | undefined;
  telling.begin();
  try {
    for await (const { event } of stream as AsyncIterable<inference.GenerateResponse>) {
      silence.heard(options.silenceMs ?? 120_000);
      if (event?.$case === 'accepted') queuedMs = event.value.queueMs;
      if (event?.$case === 'finished') finished = event.value;
      if (event?.$case !== 'delta' || output.stopped) continue;
      for (const id of event.value.tokenIds) ids.push(id);
      telling.push(output.push(event.value.text));
      // What runs in a circle goes no further; the group still says what it cost.
      if (output.stopped) group.abort(asked.requestId);
    }
  } finally {
    over.removeEventListener('abort', leave);
    leaveTrace(call, ids, finished);
  }
  telling.push(output.flush());
  const read = readEnd(output, finished, endpointOf(place, options));
  if (!read.ok) return read;
  const isCutShort = options.isHeld === true && read.value.finish === 'length';
  const usage = call.gpuMs === undefined ? read.value.usage : { ...read.value.usage, gpuMs: call.gpuMs };
  return { ...read, value: { ...read.value, usage, queuedMs, ...(isCutShort ? { isCutShort } : {}) } };
}

/** What a try leaves to those behind it, and to the account of its call. */
function leaveTrace(call: Call, ids: readonly number[], finished: inference.Finished | undefined): void {
  const gpuMs = finished?.usage?.gpuMs;
  if (gpuMs !== undefined) call.gpuMs = (call.gpuMs ?? 0) + gpuMs;
  if (finished !== undefined) call.begun = [];
  else if (ids.length > call.begun.length) call.begun = ids;
}

export function messagesOf({ messages }: Prompt) {
  const value = { messages: messages.map(({ role, content }) => ({ role, content })) };
  return { $case: 'messages' as const, value };
}

function requestOf(call: Call, seeded: boolean): inference.GenerateRequest {
  const { options, request, prompt, maxTokens, sessionTokens, begun, seed } = call;
  const { stop } = options.profile;
  const sampling = { ...(prompt.sampling ?? options.profile.sampling), ...(seeded ? { seed } : {}) };
  const form = options.isHeld ? options.profile.form?.(request) : undefined;
  return {
    ...inference.GenerateRequest.fromPartial({}),
    requestId: randomUUID(),
    // A page that is read is no turn of its run: nothing that is kept of it is ever found again.
    sessionId: request.reading === undefined ? request.session : '',
    tenant: request.tenant ?? '',
    turn: request.turns.filter(({ role }) => role === 'model').length,
    prompt: messagesOf(prompt),
    sampling: { ...inference.Sampling.fromPartial({}), ...sampling, stop: [...stop], maxTokens },
    ...(form === undefined ? {} : { constraint: { $case: 'grammar', value: form } }),
    // What is thought must leave room for what is said.
    ...(form === undefined ? {} : { maxReasoningTokens: Math.floor(maxTokens / 2) }),
    sessionTokensHint: sessionTokens,
    generated: begun.length === 0 ? undefined : { ids: [...begun] },
  };
}

type EndpointOfGroup = ReturnType<typeof endpointOf>;

function readEnd(
  output: OutputParser,
  finished: inference.Finished | undefined,
  at: EndpointOfGroup,
): Attempt<Received> {
  const stopped = output.stopped;
  const whole = output.end();
  if (finished === undefined) return { ...stalled('cut its reply off before the end', at), because: 'gone' };
  const { reason, usage } = finished;
  if (reason === FinishReason.FINISH_REASON_ABORTED && !stopped) {
    return stalled('aborted the reply, which nobody here asked for', at);
  }
  if (reason === FinishReason.FINISH_REASON_DEADLINE) return stalled('did not finish the reply in its time', at);
  if (whole.text.trim() === '') return stalled('sent an empty reply', at);
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

function endpointOf({ address }: Place, { name }: GrpcModelOptions) {
  return { baseUrl: address, model: name };
}
