import type { FastifyInstance, FastifyReply } from 'fastify';
import { retryAfter } from './rate-limits.ts';
import { Refusal } from './refusal.ts';

/** Requests that a gateway works on at the same time; those beyond it would only wait for its connections to the database. */
export const usualCrowd = 500;

/** How long a client that found too many before it is to wait. */
const patienceMs = 1_000;

declare module 'fastify' {
  interface FastifyReply {
    /** Nothing is worked on for this request any more: it only waits. */
    leaveCrowd(): void;
  }
}

/**
 * Refuses requests while `most` others are worked on. An event stream counts until it is open, and a request that waits
 * for a run until then; what answers for the health of the process is always let in.
 */
export function limitCrowd(server: FastifyInstance, most: number): void {
  const inside = new Set<FastifyReply['raw']>();
  server.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.open === true) return;
    if (inside.size >= most) {
      const message = `This server works on ${most} requests already. Try again in a moment; what was accepted is kept.`;
      throw new Refusal(message, { status: 503, code: 'overloaded', headers: retryAfter(patienceMs) });
    }
    inside.add(reply.raw);
    reply.raw.once('close', () => inside.delete(reply.raw));
  });
  server.decorateReply('leaveCrowd', function (this: FastifyReply): void {
    inside.delete(this.raw);
  });
  server.addHook('onSend', async (_request, reply) => {
    inside.delete(reply.raw);
  });
}
