import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { scopes } from '#contracts';
import { InvalidInput } from '#errors';
import type { Caller } from './caller.ts';
import { foreignCaller } from './loopback-guard.ts';
import { Refusal } from './refusal.ts';

/** Finds out who sends a request, from its head alone. */
export interface Admission {
  /**
   * @param reply for what is to be told or done with the answer, whatever it will be
   * @returns null for nobody in particular, on a route that is open to everyone
   * @throws Refusal; Unavailable
   */
  admit(request: FastifyRequest, reply: FastifyReply): Promise<Caller | null>;
}

/** Asks of each request who sends it before any of its body is read. */
export function admitRequests(server: FastifyInstance, admission: Admission): void {
  server.decorateRequest('caller', null);
  server.addHook('onRequest', async (request, reply) => {
    request.caller = await admission.admit(request, reply);
  });
}

/** Without keys: whoever is on this machine may do everything, as the one tenant. */
export function localAdmission(tenantId: string): Admission {
  const local: Caller = {
    tenantId,
    keyId: null,
    scopes: new Set(scopes),
    limits: null,
    ends: new AbortController().signal,
  };
  return {
    admit: async ({ headers }) => {
      const reason = foreignCaller(headers);
      if (reason !== null) throw new Refusal(reason, { status: 403, code: 'forbidden' });
      return local;
    },
  };
}

/** @throws InvalidInput where other machines could reach a server that asks for no keys */
export function expectLoopback(host: string): void {
  if (/^(127(\.\d+){3}|localhost|::1)$/i.test(host)) return;
  const message = `${host} can be reached from other machines, and no keys are asked for: set ARGOSY_KEY_PEPPER, or listen on 127.0.0.1`;
  throw new InvalidInput([{ path: 'ARGOSY_HOST', message }]);
}
