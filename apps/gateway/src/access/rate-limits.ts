import type { FastifyReply } from 'fastify';
import { claimsOf, type Limits, limitsFor, type Rates } from '#runs';
import { Refusal } from './refusal.ts';

/** What the deployment lets its tenants do, and where their requests are counted. */
export interface Allowance {
  readonly rates: Rates;
  readonly limits: Limits;
}

interface Asker {
  readonly tenantId: string;
  readonly keyId: string;
  /** What the tenant's settings say of limits. */
  readonly limits: unknown;
}

/**
 * Counts a request for its key and its tenant, and tells the client in the names of OpenAI's API how many more may come.
 * @returns the limits that its tenant has
 * @throws Refusal when there were too many
 */
export async function countRequest({ rates, limits }: Allowance, asker: Asker, reply: FastifyReply): Promise<Limits> {
  const own = limitsFor(limits, asker.limits);
  const claims = claimsOf(own, asker.tenantId, asker.keyId);
  if (claims.length === 0) return own;
  const { granted, retryAfterMs, standings } = await rates.take(claims);
  const [tightest] = standings
    .map((standing, index) => ({ ...standing, limit: claims[index]?.rule.burst ?? 0 }))
    .sort((a, b) => a.remaining - b.remaining);
  if (tightest !== undefined) {
    reply.headers({
      'x-ratelimit-limit-requests': String(tightest.limit),
      'x-ratelimit-remaining-requests': String(tightest.remaining),
      'x-ratelimit-reset-requests': `${tightest.resetMs / 1000}s`,
    });
  }
  if (!granted) throw tooMany(retryAfterMs, own);
  return own;
}

function tooMany(retryAfterMs: number, { key_requests_per_minute: key, requests_per_minute: tenant }: Limits): Refusal {
  const of = [
    ...(key === null ? [] : [`${key} a minute with one key`]),
    ...(tenant === null ? [] : [`${tenant} with all keys of the tenant`]),
  ];
  const message = `Too many requests: ${of.join(' and ')} are served. Try again in ${Math.ceil(retryAfterMs / 1000)} s.`;
  return new Refusal(message, { status: 429, code: 'rate_limited', headers: retryAfter(retryAfterMs) });
}

/** Whole seconds for everyone, and milliseconds for OpenAI's clients. */
export function retryAfter(ms: number): Record<string, string> {
  return { 'retry-after': String(Math.max(1, Math.ceil(ms / 1000))), 'retry-after-ms': String(Math.ceil(ms)) };
}
