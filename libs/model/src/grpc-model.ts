import type { ModelReply, Turn } from '#domain';
import { AppendOnly } from './append-only.ts';
import { type ChatModel, type ChatRequest, ModelBusy, type PromptCount } from './chat-model.ts';
import { systemClock } from './clock.ts';
import { isServiceError } from './grpc-faults.ts';
import { GrpcGroups } from './grpc-groups.ts';
import type { GrpcModelOptions } from './grpc-options.ts';
import { type Call, messagesOf, type Received, replyFrom } from './grpc-reply.ts';
import type { Failed } from './openai-faults.ts';
import type { Prompt } from './profile.ts';
import { countByEstimate, countByTokenizer } from './prompt-count.ts';
import { type Attempt, defaultRetryPolicy, retrying } from './retry.ts';
import { askRouted } from './routing/ask-routed.ts';
import { blocksOf } from './routing/prompt-blocks.ts';
import type { RoutedTurn } from './routing/session-router.ts';
import { Telling } from './telling.ts';

/** Of the context that runs are planned for, how much one comes to need: most end before their context is full. */
const shareOfContext = 0.75;

/**
 * A model behind `InferenceService`. A run is a session there, so that each prompt costs what is new in it. It stays with
 * the group that has it; when that is lost in the middle of a reply, another goes on behind what was generated.
 */
export function grpcModel(options: GrpcModelOptions): ChatModel {
  const { profile, addresses, name, clock = systemClock, random = Math.random, tls = null, directory = null } = options;
  const policy = { ...defaultRetryPolicy, ...options.retry };
  const groups = new GrpcGroups({ addresses, name, tls, directory, clock });
  const served = new WeakMap<Turn, string>();
  const appendOnly = new AppendOnly(options.logger);
  const contextTokens = Math.min(options.contextTokens, profile.limits.contextTokens);
  const sessionTokens = Math.floor(contextTokens * shareOfContext);
  return {
    name,
    profile: profile.id,
    contextTokens,
    countPrompt: async (request) => await counted(profile.render(request), request, { groups, options }),
    async reply(request, signal, onDelta = () => {}) {
      const prompt = profile.render(request);
      appendOnly.asked(request, prompt.messages);
      const maxTokens = Math.min(request.maxCompletionTokens, profile.limits.replyTokens);
      const seed = Math.floor(random() * 2 ** 48);
      const shared = { options, request, prompt, maxTokens, sessionTokens, served, clock, policy, random, seed };
      const call: Call = { ...shared, telling: new Telling(onDelta), begun: [] };
      const unwatch = await groups.watched(signal);
      try {
        const tried = await retrying((stop) => attempt(groups, call, stop), { policy, clock, random, signal });
        const reply = replyOf(tried.value, call, tried.tries);
        appendOnly.replied(request, prompt.messages, reply.text);
        return reply;
      } finally {
        unwatch();
      }
    },
    release: async (session) => await groups.release(session),
  };
}

/** By the configured tokenizer, else by a group; where none answers, an estimate is made, and the call fails. */
async function counted(
  prompt: Prompt,
  request: ChatRequest,
  { groups, options }: { readonly groups: GrpcGroups; readonly options: GrpcModelOptions },
): Promise<PromptCount> {
  if (options.tokenizer !== undefined) return await countByTokenizer(options.tokenizer)(prompt, request);
  try {
    return { tokens: await groups.count({ prompt: messagesOf(prompt) }), basis: 'tokenizer' };
  } catch (error) {
    if (!isServiceError(error)) throw error;
    return await countByEstimate(prompt, request);
  }
}

async function attempt(groups: GrpcGroups, call: Call, stop: AbortSignal): Promise<Attempt<Received>> {
  return await askRouted({
    router: groups.router,
    turn: turnOf(groups, call),
    under: call.request.traceparent,
    ask: async (address, span) => await replyFrom({ address, group: groups.at(address), span }, call, stop),
    stop,
    left: (addresses) => groups.left(addresses, call.request),
    refusedByAll: (refusals) => refusedByAll(refusals, call),
  });
}

function turnOf(groups: GrpcGroups, { request, prompt, sessionTokens }: Call): RoutedTurn {
  return {
    session: groups.keyOf(request),
    lasts: request.reading === undefined,
    blocks: blocksOf(prompt.messages, request.tenant ?? ''),
    promptTokens: Math.ceil(prompt.weight),
    wantedTokens: sessionTokens,
    refusing: new Set(),
  };
}

/** Where a group has no room for another session, there is nothing to wait for in this place: it takes as long as theirs. */
function refusedByAll(refusals: readonly Failed[], { random }: Call): Attempt<Received> {
  const full = refusals.map(({ fault }) => fault).filter((fault) => fault instanceof ModelBusy);
  const isFull = refusals.some(({ because }) => because === 'full');
  const [soonest] = full.toSorted((a, b) => a.retryAfterMs - b.retryAfterMs);
  const last = refusals.at(-1);
  if (last === undefined) throw new Error('a model without groups was asked');
  if (!isFull || soonest === undefined) return last;
  // Those who are refused together do not come back together.
  const retryAfterMs = Math.round(soonest.retryAfterMs * (1 + random() / 4));
  return { ok: false, fault: new ModelBusy(soonest.message, retryAfterMs, { cause: soonest }), leave: true };
}

function replyOf(
  { usage, queuedMs, ...generated }: Received,
  { options, request, maxTokens }: Call,
  tries: number,
): ModelReply {
  const { problem, ...parsed } = options.profile.read(generated, request);
  const times = { tries, ...(queuedMs === undefined ? {} : { queuedMs }) };
  const cut = generated.finish === 'length' ? ` It was cut at its limit of ${maxTokens} tokens: write less.` : '';
  return { ...parsed, ...(problem === undefined ? {} : { problem: problem + cut }), usage, times };
}
