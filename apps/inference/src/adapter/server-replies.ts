/** Replies that a server generates. */
import { Aborted, DeadlineExceeded } from '#errors';
import { type SilenceWatch, silenceWatch, sseData, systemClock } from '#model';
import {
  Admission,
  type BytesOf,
  Draining,
  type GenerationEvent,
  NoRoom,
  PromptTooLong,
  SessionsFull,
  SharedTime,
} from '#moe';
import type { Replies, ReplyRequest } from '../service/engine.ts';
import { readChunk } from './completion-chunk.ts';
import { completionRequest, type Wanted } from './completion-request.ts';
import type { ServerLoad } from './engine-metrics.ts';
import type { EngineServer } from './engine-server.ts';
import { brokenOff, ServerAway, UnusableServer } from './faults.ts';
import { RecentSessions } from './recent-sessions.ts';
import { ServerReply } from './reply.ts';

export interface ServerRepliesOptions {
  readonly server: EngineServer;
  readonly wanted: Wanted;
  readonly bytesOf: BytesOf;
  /** Calls at the same time; more are refused. */
  readonly most: number;
  /** What one that found too many is told to wait. */
  readonly retryAfterMs: number;
  /** Longest silence in the middle of a reply; the first token may take ten times as long. */
  readonly silenceMs: number;
  /** Milliseconds, never running backwards. */
  readonly now: () => number;
  /** What the server says of itself now. */
  readonly load: () => ServerLoad;
}

/** The server batches and has its own queue: a prompt may stand in it for long without anything being wrong. */
const firstSilences = 10;
/** What is reserved for a session that asks nothing for so long is given to others. */
const idleMs = 900_000;

/** One call under way. */
interface Call {
  readonly request: ReplyRequest;
  readonly since: number;
  readonly silence: SilenceWatch;
  /** Whether the server has begun with it. */
  begun: boolean;
  /** Ends its share of the server's time, in ms. */
  share: () => number;
}

export class ServerReplies implements Replies {
  readonly #options: ServerRepliesOptions;
  readonly #sessions: RecentSessions;
  readonly #underWay = new Set<Call>();
  readonly #admission: Admission;
  readonly #time: SharedTime;
  /** As the server told last; as long as it has not, nothing is refused for want of it. */
  #kvTokens = Infinity;
  draining = false;

  constructor(options: ServerRepliesOptions) {
    this.#options = options;
    this.#time = new SharedTime(options.now);
    this.#sessions = new RecentSessions(options.now);
    const totalTokens = () => this.#capacity();
    this.#admission = new Admission({
      idleMs,
      get totalTokens() {
        return totalTokens();
      },
    });
  }

  get contextTokens(): number {
    return this.#options.wanted.contextTokens;
  }

  get load(): Replies['load'] {
    const { kvTotalTokens: _, ...load } = this.#options.load();
    return {
      ...load,
      residentSessions: this.#sessions.count,
      reservedTokens: this.#reserved,
      busyMs: this.#time.busyMs,
    };
  }

  release(session: string): number {
    this.#sessions.forget(session);
    this.#admission.release(session, this.#options.now());
    return 0;
  }

  /**
   * @throws PromptTooLong, NoRoom, SessionsFull, or Draining for a session that is not known; while iterating also Aborted and
   * DeadlineExceeded, when the end came before the first token, and whatever went wrong at the server
   */
  generate(request: ReplyRequest): AsyncIterable<GenerationEvent> {
    const { wanted, most, retryAfterMs, now, silenceMs } = this.#options;
    const { prompt, session } = request;
    if (prompt.ids.length >= wanted.contextTokens) throw new PromptTooLong(prompt.ids.length, wanted.contextTokens);
    if (this.draining && !this.#sessions.has(session)) throw new Draining(retryAfterMs);
    if (this.#underWay.size >= most) throw new NoRoom(this.#underWay.size, retryAfterMs);
    this.#admit(request);
    this.#sessions.note(session);
    const call = {
      request,
      since: now(),
      silence: silenceWatch(systemClock, firstSilences * silenceMs),
      begun: false,
      share: () => 0,
    };
    this.#underWay.add(call);
    return this.#events(call);
  }

  async *#events(call: Call): AsyncGenerator<GenerationEvent> {
    const { wanted, bytesOf, server } = this.#options;
    const { contextTokens } = wanted;
    const reply = new ServerReply(call.request, { bytesOf, contextTokens, address: server.address });
    try {
      yield* this.#deltas(call, reply);
    } catch (error) {
      yield* this.#broken(call, reply, error);
      return;
    } finally {
      call.share();
      call.silence.end();
      this.#underWay.delete(call);
      this.#left(call, reply);
    }
    yield* reply.end(null, call.share());
  }

  /** @throws SessionsFull */
  #admit({ session, sessionTokens = null, prompt }: ReplyRequest): void {
    if (session === null || sessionTokens === null) return;
    const now = this.#options.now();
    const wanted = Math.min(Math.max(sessionTokens, prompt.ids.length), this.contextTokens);
    const waitMs = this.#admission.admit(session, wanted, now);
    if (waitMs !== null) throw new SessionsFull(this.#admission.reservedTokens(now), wanted, waitMs);
  }

  #left({ request: { session, sessionTokens = null }, begun }: Call, reply: ServerReply): void {
    if (session === null) return;
    const now = this.#options.now();
    if (sessionTokens !== null) this.#admission.ended(session, begun ? reply.tokens : null, now);
    this.#sessions.note(session);
  }

  #capacity(): number {
    this.#kvTokens = this.#options.load().kvTotalTokens ?? this.#kvTokens;
    return this.#kvTokens;
  }

  async *#deltas(call: Call, reply: ServerReply): AsyncGenerator<GenerationEvent> {
    const { server, wanted, silenceMs } = this.#options;
    const { request, silence } = call;
    const resumed = reply.resume(request.generated ?? []);
    if (reply.isWhole) {
      yield this.#accepted(call);
      yield* resumed;
      return;
    }
    const signal = AbortSignal.any([request.abort, request.deadline, silence.signal]);
    const body = completionRequest(request, wanted);
    // When it leaves the server's queue is not told: that is a part of it.
    call.share = this.#time.begin();
    const names = { id: request.message.requestId, traceparent: request.traceparent };
    const bytes = await server.stream('/v1/completions', body, names, signal);
    for await (const data of sseData(bytes)) {
      if (data === '[DONE]') break;
      const chunk = readChunk(data);
      if (chunk === null) throw strange(server.address, data);
      silence.heard(silenceMs);
      if (!call.begun) {
        yield this.#accepted(call);
        yield* resumed;
      }
      yield* reply.take(chunk);
    }
    if (reply.isWhole) return;
    throw new ServerAway(`the server at ${server.address} ended a reply in the middle. Look into its log if it lasts`);
  }

  /** How many tokens were cached is told with the end of a reply, not before. */
  #accepted(call: Call): GenerationEvent {
    call.begun = true;
    return { kind: 'accepted', queueMs: Math.round(this.#options.now() - call.since), cachedTokens: 0 };
  }

  /** What somebody ended ends in order when it had begun. @throws the fault, where it was one */
  *#broken({ request, silence, begun, share }: Call, reply: ServerReply, error: unknown): Generator<GenerationEvent> {
    const { abort, deadline } = request;
    if (abort.aborted && !begun) throw new Aborted('the reply was called off before its first token');
    if (abort.aborted) yield* reply.end('aborted', share());
    else if (deadline.aborted && !begun) throw new DeadlineExceeded('the server', Number(deadline.reason));
    else if (deadline.aborted) yield* reply.end('deadline', share());
    else
      throw silence.signal.aborted
        ? silent(this.#options.server.address, silence.signal)
        : faultOf(error, this.#options);
  }

  /** For sessions, and for calls that are of none. */
  get #reserved(): number {
    let tokens = this.#admission.reservedTokens(this.#options.now());
    for (const { request } of this.#underWay) {
      const { prompt, sampling, session, sessionTokens = null } = request;
      if (session !== null && sessionTokens !== null) continue;
      tokens += Math.min(this.contextTokens, prompt.ids.length + sampling.maxTokens);
    }
    return tokens;
  }
}

function silent(address: string, { reason: limitMs }: AbortSignal): ServerAway {
  const message = `the server at ${address} said nothing for ${limitMs} ms in a reply (ARGOSY_INFERENCE_SILENCE_MS)`;
  return new ServerAway(`${message}. Look into its log if it lasts`);
}

function strange(address: string, data: string): UnusableServer {
  const start = JSON.stringify(data.slice(0, 100));
  return new UnusableServer(`the server at ${address} sends what is no event of a completion: ${start}`);
}

/** Errors of the connection, once the reply has begun, are the stream's. */
function faultOf(error: unknown, { server }: ServerRepliesOptions): unknown {
  const { code } = (error ?? {}) as Partial<Record<'code', unknown>>;
  const isBroken = typeof code === 'string' && (code.startsWith('E') || code.startsWith('HPE_'));
  return isBroken ? brokenOff(`the server at ${server.address} cut the connection in a reply`, error) : error;
}
