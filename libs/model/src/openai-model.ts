import type { ModelReply, ModelUsage, Turn } from '#domain';
import { InvalidInput, type Problem } from '#errors';
import type { Logger } from '#platform';
import type { Tokenizer } from '#tokens';
import { AppendOnly } from './append-only.ts';
import type { ChatModel, ChatRequest, OnDelta } from './chat-model.ts';
import { type Clock, systemClock } from './clock.ts';
import { baseUrlProblem, urlUnder } from './endpoint.ts';
import { BrokenWire, connectFault, type Failed, failed, otherModel, stalled, statusFault } from './openai-faults.ts';
import { type Received, readStream, readWhole } from './openai-stream.ts';
import { type OutputField, outputFields } from './output-form.ts';
import type { Profile, Prompt } from './profile.ts';
import { type CountPrompt, countByEstimate, countByTokenizer } from './prompt-count.ts';
import { type Attempt, defaultRetryPolicy, type RetryPolicy, retrying } from './retry.ts';
import { askRouted } from './routing/ask-routed.ts';
import { blocksOf } from './routing/prompt-blocks.ts';
import { type SessionDirectory, SessionRouter } from './routing/session-router.ts';
import { type SilenceWatch, silenceWatch } from './silence.ts';
import { under } from './traced.ts';

/** An OpenAI-compatible server and how to treat it. */
export interface OpenAiModelOptions {
  /** Everything before `/chat/completions`, for example `http://127.0.0.1:8000/v1`. */
  readonly baseUrl: string;
  /** Further servers of the same model: a run stays with one of them. */
  readonly otherUrls?: readonly string[];
  /** Where sessions have their homes among several servers. Null, the default: this process remembers its own. */
  readonly directory?: SessionDirectory | null;
  readonly model: string;
  /** Sent as a bearer token; never part of a message. */
  readonly apiKey?: string;
  readonly profile: Profile;
  /** Context window of the served model in tokens. */
  readonly contextTokens: number;
  /** Longest wait from the request to the first byte of the reply's body. Default 60,000. */
  readonly firstByteMs?: number;
  /** Longest silence between two pieces of the reply. Default 60,000. */
  readonly idleMs?: number;
  /** The model's own, for exact counts. */
  readonly tokenizer?: Tokenizer;
  /** In which the server is asked to hold an object for a run's schema to its form; by default in none. */
  readonly outputField?: OutputField;
  readonly retry?: Partial<RetryPolicy>;
  /** True: the server is told the trace that asks it, by the header `traceparent`. */
  readonly tellsTrace?: boolean;
  /** Told what costs time and fails nothing. */
  readonly logger?: Logger;
  /** The operator configured this address: it is exempt from the egress rules. Default: the global one. */
  readonly fetch?: typeof fetch;
  readonly clock?: Clock;
  /** Uniform in [0, 1), for the spread of retries. */
  readonly random?: () => number;
}

const MAX_ERROR_BYTES = 16 * 1024;
const MAX_REPLY_BYTES = 16 * 1024 * 1024;
/** No text of words has longer tokens on the whole: who sends more ignores the limit that was asked for. */
const MOST_CHARACTERS_PER_TOKEN = 32;

/**
 * A model behind chat completions with streaming (vLLM, SGLang, llama.cpp, Ollama, hosted ones). When a try fails in the
 * middle, deltas already given are not taken back; the next try starts them anew.
 * @throws InvalidInput when the base URL or the key cannot be used
 */
export function openAiModel(options: OpenAiModelOptions): ChatModel {
  const urls = [options.baseUrl, ...(options.otherUrls ?? [])];
  for (const baseUrl of urls) checkEndpoint({ ...options, baseUrl });
  const directory = urls.length === 1 ? null : (options.directory ?? null);
  const { profile, clock = systemClock, random = Math.random } = options;
  const policy = { ...defaultRetryPolicy, ...options.retry };
  const count = options.tokenizer === undefined ? countByEstimate : countByTokenizer(options.tokenizer);
  const router = new SessionRouter({ groups: urls, directory, clock });
  const servedModels = new WeakMap<Turn, string>();
  const appendOnly = new AppendOnly(options.logger);
  return {
    name: options.model,
    profile: profile.id,
    contextTokens: Math.min(options.contextTokens, profile.limits.contextTokens),
    countPrompt: async (request) => await count(profile.render(request), request),
    async reply(request, signal, onDelta = () => {}) {
      const prompt = profile.render(request);
      appendOnly.asked(request, prompt.messages);
      const maxTokens = Math.min(request.maxCompletionTokens, profile.limits.replyTokens);
      // A run's first turn is the same object for as long as one worker drives it.
      const [run] = request.turns;
      const servedModel = run && servedModels.get(run);
      const call: Call = { options, router, request, prompt, maxTokens, servedModel, onDelta, clock };
      const tried = await retrying((stop) => attemptRouted(call, stop), { policy, clock, random, signal });
      const { value: received, tries } = tried;
      if (run && received.servedModel !== undefined) servedModels.set(run, received.servedModel);
      const reply = await replyOf(received, call, count);
      appendOnly.replied(request, prompt.messages, reply.text);
      return { ...reply, times: { tries } };
    },
    release: async (session) => void (await router.end(keyOf(options, session))),
  };
}

/** What all tries of one call share. */
interface Call {
  readonly options: OpenAiModelOptions;
  readonly router: SessionRouter;
  readonly request: ChatRequest;
  readonly prompt: Prompt;
  readonly maxTokens: number;
  /** Whom the server named as the author of the run's replies so far. */
  readonly servedModel: string | undefined;
  readonly onDelta: OnDelta;
  readonly clock: Clock;
}

function checkEndpoint({ baseUrl, apiKey }: OpenAiModelOptions): void {
  const problems: Problem[] = [];
  const message = baseUrlProblem(baseUrl);
  if (message !== undefined) problems.push({ path: 'baseUrl', message });
  // fetch would refuse it too, but only at the first call, and it would print it.
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) {
    problems.push({ path: 'apiKey', message: 'must be printable ASCII without spaces or line breaks' });
  }
  if (problems.length > 0) throw new InvalidInput(problems);
}

/** Names a session among those of all models and tenants. */
function keyOf(
  { model }: OpenAiModelOptions,
  { session, tenant = '' }: Pick<ChatRequest, 'session' | 'tenant'>,
): string {
  return JSON.stringify([model, tenant, session]);
}

/** At the server that the session is at home with; such servers tell no load, so that new ones go by the hash. */
async function attemptRouted(call: Call, stop: AbortSignal): Promise<Attempt<Received>> {
  const { options, router, request, prompt } = call;
  return await askRouted({
    router,
    turn: {
      session: keyOf(options, request),
      lasts: request.reading === undefined,
      blocks: blocksOf(prompt.messages, request.tenant ?? ''),
      promptTokens: Math.ceil(prompt.weight),
      wantedTokens: 0,
      refusing: new Set(),
    },
    under: request.traceparent,
    ask: async (baseUrl, span) =>
      await attempt({ ...call, request: under(request, span), options: { ...options, baseUrl } }, stop),
    stop,
    left: () => undefined,
    refusedByAll: (refusals) => refusals.at(-1) ?? missing(),
  });
}

function missing(): never {
  throw new Error('a model without servers was asked');
}

/** One request from connect to the last byte. `stop` fires on the caller's wish and on the deadline of all tries. */
async function attempt(call: Call, stop: AbortSignal): Promise<Attempt<Received>> {
  const { options, clock } = call;
  const silence = silenceWatch(clock, options.firstByteMs ?? 60_000);
  try {
    const response = await post(call, AbortSignal.any([stop, silence.signal]));
    return await receive(response, call, silence);
  } catch (error) {
    if (!(error instanceof BrokenWire)) throw error;
    if (silence.signal.aborted)
      return { ...stalled(`sent nothing for ${silence.signal.reason} ms`, options), because: 'gone' };
    return stop.aborted ? stalled('was still at it when its time was over', options) : error.failed;
  } finally {
    silence.end();
  }
}

/** @throws BrokenWire when no HTTP answer comes */
async function post(call: Call, signal: AbortSignal): Promise<Response> {
  const { options, request, prompt } = call;
  const { profile, apiKey, baseUrl, model } = options;
  const body = {
    model,
    messages: prompt.messages,
    ...prompt.fields,
    ...heldFields(options, request),
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: call.maxTokens,
    ...samplingFields(profile, prompt),
  };
  const headers = new Headers({ 'content-type': 'application/json', accept: 'text/event-stream, application/json' });
  // For routers that keep a session on the server that holds its prefix cache.
  headers.set('x-session-id', encodeURIComponent(request.session));
  if (options.tellsTrace === true && request.traceparent !== undefined) headers.set('traceparent', request.traceparent);
  if (apiKey !== undefined) headers.set('authorization', `Bearer ${apiKey}`);
  const init: RequestInit = { method: 'POST', headers, body: JSON.stringify(body), redirect: 'manual', signal };
  try {
    return await (options.fetch ?? fetch)(urlUnder(baseUrl, 'chat/completions'), init);
  } catch (error) {
    throw new BrokenWire(connectFault(error, options));
  }
}

/** Where the reply is to be the object and nothing else; what frames it in words of its own is left to it. */
function heldFields({ outputField, profile }: OpenAiModelOptions, { outputSchema }: ChatRequest): object {
  if (outputField === undefined || outputSchema === undefined || profile.id !== 'openai-tools-v1') return {};
  return outputFields(outputField, outputSchema);
}

function samplingFields({ sampling, stop }: Profile, prompt: Prompt): object {
  const { temperature, topP, presencePenalty } = prompt.sampling ?? sampling ?? {};
  // What is undefined is left out of the JSON.
  return { temperature, top_p: topP, presence_penalty: presencePenalty, stop: stop.length > 0 ? stop : undefined };
}

async function receive(response: Response, call: Call, silence: SilenceWatch): Promise<Attempt<Received>> {
  const { options } = call;
  const bytes = bodyOf(response, call, silence);
  if (!response.ok) return statusFault(response, await textOf(bytes, MAX_ERROR_BYTES), options, call.clock.now());
  const type = response.headers.get('content-type') ?? '';
  if (type.includes('text/html')) {
    await response.body?.cancel();
    return failed(
      'invalid',
      `${options.baseUrl} answered with a web page, not with a chat completion. Check the base URL: most servers want it to end in /v1.`,
    );
  }
  const reading = readingOf(call);
  const read = type.includes('application/json')
    ? readWhole(await textOf(bytes, MAX_REPLY_BYTES), reading)
    : await readStream(bytes, reading);
  if (!read.ok || read.value.output.text.trim() !== '' || read.value.calls.length > 0) return read;
  const why = read.value.finish === undefined ? '' : ` (finish reason "${read.value.finish}")`;
  return stalled(`sent an empty reply${why}`, options);
}

function readingOf({ options, maxTokens, servedModel, onDelta }: Call) {
  const refused = (named: string): Failed | null => {
    return servedModel === undefined || named === servedModel ? null : otherModel(named, servedModel, options);
  };
  const maxCharacters = maxTokens * MOST_CHARACTERS_PER_TOKEN;
  return { stops: options.profile.stop, maxCharacters, endpoint: options, onDelta, refused };
}

/** The body's bytes, each piece a sign of life. @throws BrokenWire when the connection breaks or the body is too long */
async function* bodyOf(response: Response, { options }: Call, silence: SilenceWatch): AsyncGenerator<Uint8Array> {
  const pieces = (response.body ?? new Blob([]).stream()).getReader();
  let total = 0;
  try {
    for (;;) {
      const { done, value } = await pieces.read().catch((error: unknown) => {
        throw new BrokenWire({
          ...stalled('cut the connection in the middle of its reply', options, error),
          because: 'gone',
        });
      });
      if (done) return;
      silence.heard(options.idleMs ?? 60_000);
      total += value.byteLength;
      if (total > MAX_REPLY_BYTES) {
        throw new BrokenWire(failed('invalid', `The reply of ${options.baseUrl} passed ${MAX_REPLY_BYTES} bytes.`));
      }
      yield value;
    }
  } finally {
    // Nobody waits for the rest, and a body that already failed cannot be cancelled.
    pieces.cancel().catch(() => {});
  }
}

async function textOf(bytes: AsyncIterable<Uint8Array>, limitBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const piece of bytes) {
    text += decoder.decode(piece, { stream: true });
    if (text.length > limitBytes) break;
  }
  return text + decoder.decode();
}

async function replyOf(received: Received, call: Call, count: CountPrompt): Promise<ModelReply> {
  const { options, request, maxTokens } = call;
  const { problem, ...parsed } = options.profile.read(received, request);
  const cut = received.finish === 'length' ? ` It was cut at its limit of ${maxTokens} tokens: write less.` : '';
  return {
    ...parsed,
    ...(problem === undefined ? {} : { problem: problem + cut }),
    usage: received.usage ?? (await countedUsage(received, call, count)),
  };
}

/** For a server that gives no usage; nobody but the server knows what it had cached. */
async function countedUsage(received: Received, call: Call, count: CountPrompt): Promise<ModelUsage> {
  const { options, request, prompt } = call;
  const { tokens: promptTokens, basis } = await count(prompt, request);
  const counted = basis === 'tokenizer' && options.tokenizer;
  if (!counted) return { promptTokens, cachedTokens: 0, completionTokens: Math.ceil(received.weight), estimated: true };
  const calls = received.calls.map(({ name, args }) => `${name}${args}`);
  const completionTokens = [received.output.text, ...calls].reduce((sum, text) => sum + counted.count(text), 0);
  return { promptTokens, cachedTokens: 0, completionTokens };
}
