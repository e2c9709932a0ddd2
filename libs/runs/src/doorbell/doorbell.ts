import type { ToolKind } from '#domain';
import { ArgosyError } from '#errors';

/** Where tool calls are announced: to workers of a kind, or to whoever performs calls. */
export type CallBell = 'calls' | `calls-${ToolKind}`;

/** What a bell can announce: a run to look at, a tool call, or a corpus to index. */
export type Bell = 'runs' | CallBell | 'corpora';

/** What came over a bell is no ring of this release. It is dropped: the record rings again for whatever is due. */
export class RingUnreadable extends ArgosyError {
  override readonly name = 'RingUnreadable';
  readonly code = 'ring_unreadable';
  readonly retryable = false;
  constructor(bell: Bell, data: unknown) {
    super(`A ring of the bell ${bell} cannot be read: ${JSON.stringify(data)?.slice(0, 200)}. It was dropped.`);
  }
}

/** A ring says only where to look; whoever answers finds everything else in the database. */
export interface Ring {
  readonly bell: Bell;
  readonly tenantId: string;
  /** The run; for `corpora`, the corpus. */
  readonly runId: string;
  /** Only for bells of calls. */
  readonly callId?: string;
  /**
   * Distinguishes this ring from all others for the same thing. Two rings with one key are one ring; a new key always
   * rings, even while an older ring is being answered. Without `:`, which BullMQ refuses.
   */
  readonly key: string;
  readonly delayMs?: number;
  /** The span that made it due, as W3C `traceparent`. */
  readonly traceparent?: string;
}

/** Does the work that a ring points to. A throw ends this ring only; whoever keeps the record rings again. */
export type Answer = (ring: Ring, signal: AbortSignal) => Promise<void>;

/** What is known of the ring of a fault. */
export interface FaultyRing {
  readonly runId?: string;
  readonly traceId?: string;
}

export type FaultListener = (error: unknown, ring: FaultyRing) => void;

export interface AnswerOptions {
  /** Rings answered at the same time. */
  readonly concurrency: number;
  /** How long a silent worker keeps a ring before it is given to another. Default 15,000. */
  readonly lockMs?: number;
  /** Told of every answer that threw, and of rings that cannot be read. */
  readonly onFault?: FaultListener;
}

/** A worker that is answering. */
export interface Answering {
  /**
   * Takes no more rings and waits for those being answered. With `abortAfterMs` their signals fire after that time, so
   * that they hand back their work.
   */
  close(options?: { readonly abortAfterMs?: number }): Promise<void>;
  /** Takes no more rings, and goes on with those being answered; or takes rings again. */
  pause(paused: boolean): void;
}

/**
 * Wakes workers. At-least-once and unordered: a ring may be lost with its store or answered twice, and correctness
 * never rests on it.
 */
export interface Doorbell {
  /** @throws InvalidState after `close` */
  ring(ring: Ring): Promise<void>;
  /** @throws InvalidState after `close` */
  answer(bell: Bell, answer: Answer, options: AnswerOptions): Promise<Answering>;
  /** Takes back a ring that nobody answers yet; one that is being answered stays. */
  withdraw(bell: Bell, key: string): Promise<void>;
  /** Fires the signals of all answers and waits for them. */
  close(): Promise<void>;
}
