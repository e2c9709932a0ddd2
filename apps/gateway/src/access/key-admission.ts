import type { FastifyReply, FastifyRequest } from 'fastify';
import { scopes } from '#contracts';
import { type KeyHolder, KeyRefused, type Keyring, type Limits } from '#runs';
import type { Admission } from './admission.ts';
import type { Caller } from './caller.ts';
import { type Allowance, countRequest } from './rate-limits.ts';
import { Refusal } from './refusal.ts';

/**
 * Lets in whoever shows a key, as `Authorization: Bearer <key>`, for as long as it is accepted.
 * @param allowance null: as often as they like
 */
export function keyAdmission(ring: Keyring, allowance: Allowance | null): Admission {
  return {
    admit: async (request, reply) => {
      if (request.routeOptions.config.open === true) return null;
      const holder = await holderOf(request, ring);
      whenAnswered(reply, () => holder.leave());
      return callerOf(holder, allowance === null ? null : await countRequest(allowance, holder, reply));
    },
  };
}

async function holderOf({ headers }: FastifyRequest, ring: Keyring): Promise<KeyHolder> {
  const text = bearer.exec(headers.authorization ?? '')?.[1];
  if (text === undefined) throw unnamed(headers.authorization !== undefined);
  try {
    return await ring.admit(text);
  } catch (error) {
    if (!(error instanceof KeyRefused)) throw error;
    const challenge = `${realm}, error="invalid_token"`;
    throw new Refusal(error.message, { ...unauthorized, code: error.code, headers: { 'www-authenticate': challenge } });
  }
}

/** The scheme in any case (RFC 9110, 11.1). */
const bearer = /^bearer +(\S+) *$/i;

const realm = 'Bearer realm="argosy"';
const unauthorized = { status: 401 } as const;

function unnamed(hasHeader: boolean): Refusal {
  const what = hasHeader ? 'The Authorization header holds no bearer key' : 'This server asks for an API key';
  const message = `${what}. Send the header: Authorization: Bearer arg_...`;
  return new Refusal(message, { ...unauthorized, code: 'missing_api_key', headers: { 'www-authenticate': realm } });
}

function callerOf({ tenantId, keyId, scopes: given, ends }: KeyHolder, limits: Limits | null): Caller {
  return { tenantId, keyId, scopes: new Set(scopes.filter((scope) => given.includes(scope))), limits, ends };
}

/** An event stream is answered when it has ended. */
function whenAnswered(reply: FastifyReply, then: () => void): void {
  reply.raw.once('close', then);
}
