/** The edge of a group: `InferenceService` over an engine. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Metadata, ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import { inference } from '#contracts/rpc';
import { InvalidInput } from '#errors';
import type { Logger } from '#platform';
import { statusOf } from '../transport/status.ts';
import type { Engine } from './engine.ts';
import { GenerateCalls } from './generate-calls.ts';
import { inReplySpan } from './generation-spans.ts';
import { stating } from './instruments.ts';
import { promptOf } from './prompt.ts';
import { sessionKey } from './requests.ts';
import { answer, leavingOf } from './streams.ts';

const usualIntervalMs = 1_000;
const leastIntervalMs = 100;
const mostIntervalMs = 3_600_000;

export class InferenceService {
  readonly #engine: Engine;
  readonly #calls: GenerateCalls;
  readonly #stopped = new AbortController();
  readonly #unstate: () => void;

  constructor(engine: Engine, logger: Logger) {
    this.#engine = engine;
    this.#calls = new GenerateCalls(engine, logger);
    this.#unstate = stating(engine);
  }

  /** Takes no new session, lets replies come to their end within this time, and breaks off the rest. */
  async stop(graceMs: number): Promise<void> {
    this.#engine.generator.draining = true;
    await this.#calls.finish(graceMs);
    this.#stopped.abort();
    this.#unstate();
  }

  get handlers(): inference.InferenceServiceServer {
    const { generator, info } = this.#engine;
    return {
      generate: stream((request, left, metadata) =>
        inReplySpan(request, metadata, (span) => this.#calls.generate(request, left, span)),
      ),
      countTokens: unary(async ({ prompt }) => ({ tokens: await this.#count(prompt) })),
      abort: unary(async ({ requestId }) => ({ found: this.#calls.abort(requestId) })),
      getInfo: unary(async () => ({ ...info, draining: generator.draining })),
      watchLoad: stream((request, left) => this.#load(request, AbortSignal.any([left, this.#stopped.signal]))),
      getExperts: unary(async () => this.#engine.experts?.() ?? inference.GetExpertsResponse.fromPartial({})),
      drain: stream((request, left) => this.#drain(request, AbortSignal.any([left, this.#stopped.signal]))),
      releaseSession: unary(async ({ tenant, sessionId }) => {
        return { releasedTokens: generator.release(sessionKey(tenant, sessionId)) };
      }),
    };
  }

  async #count(prompt: inference.CountTokensRequest['prompt']): Promise<number> {
    const { tokenizer, vocabulary } = this.#engine;
    return (await promptOf(prompt, tokenizer, vocabulary)).ids.length;
  }

  async *#load(
    { intervalMs: asked }: inference.WatchLoadRequest,
    left: AbortSignal,
  ): AsyncGenerator<inference.WatchLoadResponse> {
    const intervalMs = asked === 0 ? usualIntervalMs : asked;
    if (intervalMs < leastIntervalMs || intervalMs > mostIntervalMs) {
      const message = `must be 0 or from ${leastIntervalMs} to ${mostIntervalMs}, but is ${asked}`;
      throw new InvalidInput([{ path: 'interval_ms', message }]);
    }
    while (!left.aborted) {
      yield this.#loadNow();
      await pausing(intervalMs, left);
    }
  }

  #loadNow(): inference.WatchLoadResponse {
    const { generator, info, group } = this.#engine;
    const load = generator.load;
    return { kvTotalTokens: info.kvTotalTokens, ...load, ...group(), draining: generator.draining };
  }

  async *#drain(request: inference.DrainRequest, left: AbortSignal): AsyncGenerator<inference.DrainResponse> {
    const { generator, now } = this.#engine;
    generator.draining = !request.cancel;
    const endsAt = now() + request.deadlineMs;
    for (;;) {
      const { residentSessions = 0, running = this.#calls.underWay } = generator.load;
      const done = request.cancel || residentSessions === 0 || now() >= endsAt;
      yield { residentSessions, running, done };
      if (done || left.aborted) return;
      await pausing(Math.min(leastIntervalMs, Math.max(endsAt - now(), 0)), left);
    }
  }
}

/** Ends at once when the signal fires. */
async function pausing(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal }).catch(() => undefined);
}

function unary<Q, A>(reply: (request: Q) => Promise<A>) {
  return (call: ServerUnaryCall<Q, A>, done: sendUnaryData<A>): void => {
    reply(call.request).then(
      (value) => done(null, value),
      (error: unknown) => done(statusOf(error)),
    );
  };
}

function stream<Q, A>(messages: (request: Q, left: AbortSignal, metadata: Metadata) => AsyncIterable<A>) {
  return (call: ServerWritableStream<Q, A>): void => {
    const left = leavingOf(call);
    void answer(call, messages(call.request, left, call.metadata), left);
  };
}
