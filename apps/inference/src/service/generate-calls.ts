import { status } from '@grpc/grpc-js';
import type { inference } from '#contracts/rpc';
import { type Finished, opensReasoning } from '#moe';
import { type LogFields, type Logger, type OpenSpan, traceIdOf } from '#platform';
import { statusOf } from '../transport/status.ts';
import type { Engine } from './engine.ts';
import { AlreadyRunning, GoingAway } from './faults.ts';
import { spanOfRequest } from './generation-spans.ts';
import { failed, replyMeter } from './instruments.ts';
import { promptOf } from './prompt.ts';
import { responseOf } from './replies.ts';
import { askedOf } from './requests.ts';

/** Longest generation where neither the request nor its call has a deadline. */
const mostMs = 24 * 3_600_000;
/** Of the context, what a session is taken to need that does not say. */
const usualShareOfContext = 0.75;

type Request = inference.GenerateRequest;

/** The Generate calls under way, by their ids. */
export class GenerateCalls {
  readonly #engine: Engine;
  readonly #logger: Logger;
  readonly #running = new Map<string, AbortController>();
  readonly #stopping = new AbortController();
  #idle: () => void = () => {};

  constructor(engine: Engine, logger: Logger) {
    this.#engine = engine;
    this.#logger = logger;
  }

  /** Calls that have not come to their end. */
  get underWay(): number {
    return this.#running.size;
  }

  /** @returns whether such a call was under way */
  abort(requestId: string): boolean {
    const running = this.#running.get(requestId);
    running?.abort('Abort was called');
    return running !== undefined;
  }

  /** Resolves when no call is under way any more, at the latest after this time: then those left are broken off. */
  async finish(graceMs: number): Promise<void> {
    if (this.#running.size > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
        setTimeout(resolve, graceMs).unref();
      });
    }
    this.#stopping.abort();
  }

  /**
   * The messages of one reply.
   * @param left fires when the caller leaves @param span of the reply
   * @throws while iterating, whatever the call is to fail with
   */
  async *generate(request: Request, left: AbortSignal, span: OpenSpan): AsyncGenerator<inference.GenerateResponse> {
    const { generator, guides, tokenizer, defaults, vocabulary, now, info } = this.#engine;
    const asked = askedOf(request, defaults(), vocabulary);
    if (this.#running.has(asked.requestId)) throw new AlreadyRunning(asked.requestId);
    const abort = new AbortController();
    this.#running.set(asked.requestId, abort);
    const limitMs = asked.deadlineMs ?? mostMs;
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(limitMs), limitMs);
    const since = now();
    try {
      const prompt = await promptOf(request.prompt, tokenizer, vocabulary);
      const form = { isReasoning: opensReasoning(prompt.ending), stop: asked.sampling.stop };
      const guide = (asked.held && guides?.guide({ ...asked.held, ...form })) ?? null;
      const signals = {
        abort: AbortSignal.any([abort.signal, left, this.#stopping.signal]),
        deadline: deadline.signal,
      };
      const sessionTokens = asked.sessionTokens ?? Math.floor(generator.contextTokens * usualShareOfContext);
      let seq = 0;
      const measure = replyMeter();
      const from = { ...signals, ...sourceOf(request, span) };
      const reply = spanOfRequest({ ...asked, sessionTokens, prompt, guide, ...from }, span);
      for await (const event of generator.generate(reply)) {
        measure(event, now() - since);
        if (event.kind === 'finished') this.#note(idsOf(request, span), event, now() - since);
        const isBrokenOff = event.kind === 'finished' && event.reason === 'aborted' && !abort.signal.aborted;
        if (isBrokenOff && this.#stopping.signal.aborted) throw new GoingAway();
        yield responseOf(event, seq++, info.gpus);
      }
    } catch (error) {
      this.#noteFailure(idsOf(request, span), error);
      throw error;
    } finally {
      clearTimeout(timer);
      this.#running.delete(asked.requestId);
      if (this.#running.size === 0) this.#idle();
    }
  }

  #note(ids: LogFields, finished: Finished, ms: number): void {
    this.#logger.log('info', 'generated', {
      ...ids,
      ...finished,
      shareMs: Math.round(finished.shareMs),
      ms: Math.round(ms),
    });
  }

  #noteFailure(ids: LogFields, error: unknown): void {
    failed(error);
    const { code, details } = statusOf(error);
    const bug = code === status.INTERNAL && error instanceof Error ? { stack: error.stack } : {};
    const level = code === status.INTERNAL ? 'error' : 'info';
    this.#logger.log(level, 'not generated', { ...ids, status: status[code], message: details, ...bug });
  }
}

function sourceOf(message: Request, { traceparent }: OpenSpan) {
  const isSampled = traceparent !== undefined && (Number.parseInt(traceparent.slice(-2), 16) & 1) === 1;
  return { message, traceparent: isSampled ? traceparent : undefined };
}

function idsOf({ requestId }: Request, { traceparent }: OpenSpan): LogFields {
  return traceparent === undefined ? { requestId } : { requestId, trace_id: traceIdOf(traceparent) };
}
