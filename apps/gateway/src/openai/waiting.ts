import type { FastifyReply } from 'fastify';
import type { Caller } from '../access/caller.ts';
import { Refusal } from '../access/refusal.ts';
import type { StreamSettings } from '../event-stream.ts';

/** How long clients wait for answers that take as long as a run. */
export interface AnswerPatience {
  /** For a run's end, where no stream was asked for. */
  readonly endMs: number;
  /** For a cancelled run's end. */
  readonly cancelMs: number;
}

/** The official clients give up after 10 minutes. */
export const answerPatience: AnswerPatience = { endMs: 570_000, cancelMs: 3_000 };

/** Fires when the client has left, may not go on, or the server closes. The run goes on in each case. */
export function leaving({ closing }: StreamSettings, { ends }: Caller, reply: FastifyReply): AbortSignal {
  const left = new AbortController();
  reply.raw.once('close', () => left.abort());
  if (reply.raw.destroyed) left.abort();
  return AbortSignal.any([left.signal, ends, closing]);
}

/** @throws Refusal when the caller lost its rights while it waited */
export function expectCaller({ ends }: Caller): void {
  if (!ends.aborted) return;
  throw new Refusal('This API key was revoked or has expired. The run goes on.', {
    status: 401,
    code: 'invalid_api_key',
  });
}

/**
 * As {@link leaving}, with a limit; until then the connection is not taken for a dead one, though no byte passes, nor the
 * request for work.
 */
export function leavingWithin(limitMs: number, leaves: AbortSignal, reply: FastifyReply): AbortSignal {
  reply.leaveCrowd();
  reply.request.raw.socket.setTimeout(limitMs + 10_000);
  return AbortSignal.any([leaves, AbortSignal.timeout(limitMs)]);
}
