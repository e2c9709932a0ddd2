import type { z } from 'zod';
import type { EgressRequest, EgressResponse } from '#egress';
import { retryAfterMs } from '../retry-after.ts';
import { type Door, ProviderFault, type ProviderQuery } from './provider.ts';

/** An answer to ten hits is well below; parsing more would hold up the worker. */
const MOST_BYTES = 2 * 1024 * 1024;

/** What a provider is sent, and what its refusals mean. */
export interface Question {
  readonly provider: string;
  readonly url: URL;
  readonly request?: Pick<EgressRequest, 'method' | 'body' | 'headers' | 'accept'>;
  /** What an operator should look at when the provider refuses us (401, 403). */
  readonly refused: string;
  /** Statuses that here mean that too much was asked, besides 402, 429, 432 and 433. */
  readonly quota?: readonly number[];
}

/**
 * Asks for JSON and reads it by its shape.
 * @throws ProviderFault for a refusal, and `transient` for an answer of another shape; as `Egress.fetch` besides
 */
export async function askJson<T>(
  door: Door,
  question: Question,
  { signal, now }: Pick<ProviderQuery, 'signal' | 'now'>,
  shape: z.ZodType<T>,
): Promise<T> {
  const json = { ...question, request: { accept: 'application/json', ...question.request } };
  const text = await askText(door, json, { signal, now });
  const parsed = shape.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues[0]?.path.join('.') || 'the whole of it';
  throw strange(question.provider, `its JSON differs at ${where.slice(0, 80)}`);
}

/**
 * Asks for text, and takes only that of a success for an answer.
 * @throws ProviderFault for a refusal or too long an answer; as `Egress.fetch` besides
 */
export async function askText(
  door: Door,
  question: Question,
  { signal, now }: Pick<ProviderQuery, 'signal' | 'now'>,
): Promise<string> {
  const reply = await door.fetch(question.url.href, { ...question.request, signal });
  const fault = statusFault(question, reply, now);
  if (fault) throw fault;
  const { length } = reply.body;
  if (length > MOST_BYTES) throw strange(question.provider, `${length} bytes; ${MOST_BYTES} are the most`);
  return new TextDecoder().decode(reply.body);
}

/** An answer in a form that is not known: the provider has changed, or something else answers in its place. */
export function strange(provider: string, how: string): ProviderFault {
  return new ProviderFault('transient', `${provider} answered in a form that is not known (${how}).`);
}

function statusFault(question: Question, reply: EgressResponse, now: number): ProviderFault | null {
  const { status, headers } = reply;
  if (status >= 200 && status < 300) return null;
  const told = `${question.provider} answered ${status}`;
  const retry = retryAfterMs(headers['retry-after'], now) ?? undefined;
  if ([402, 429, 432, 433, ...(question.quota ?? [])].includes(status)) {
    return new ProviderFault('quota', `${told}: it was asked as much as it allows for now.`, retry);
  }
  if (status === 401 || status === 403 || status === 407 || status === 451) {
    return new ProviderFault('blocked', `${told}: it refuses us. ${question.refused}`);
  }
  if (status >= 500 || status === 408 || status === 425 || status < 400) {
    return new ProviderFault('transient', `${told}: it has a fault and may answer later.`, retry);
  }
  return new ProviderFault('invalid', `${told}: it does not take this query. Try other or fewer words.`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
