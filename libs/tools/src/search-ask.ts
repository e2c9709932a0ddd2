import type { ToolFault } from '#domain';
import { EgressBlocked, EgressFault } from '#egress';
import { Aborted, ArgosyError, messageOf } from '#errors';
import type { Evidence, Made } from './evidence.ts';
import { type Outcome, searchAnswers } from './instruments.ts';
import { type Asking, askingFor, type SecretReader } from './own-keys.ts';
import type { Pace, Turn } from './pace.ts';
import type { Door, ProviderHit, ProviderQuery, SearchProvider } from './providers/provider.ts';
import { ProviderFault } from './providers/provider.ts';

/** What the open web is searched with. */
export interface SearchParts {
  readonly providers: readonly SearchProvider[];
  readonly door: Door;
  readonly pace: Pace;
  readonly evidence: Evidence;
  /** Tenants' own keys. Without it, nobody brings one. */
  readonly secrets?: SecretReader | undefined;
  /** Hears of a provider that refuses us, which only an operator can mend. */
  readonly onRefusal?: (provider: string, message: string) => void;
  readonly limits?: Partial<SearchLimits>;
}

/** In milliseconds. */
export interface SearchLimits {
  /** What the providers may take for one query together. Default 15,000. */
  readonly totalMs: number;
  /** How long the others are waited for once one has found something. Default 4,000. */
  readonly graceMs: number;
  /** One request to one provider, the wait for its turn not counted. Default 10,000. */
  readonly requestMs: number;
}

const LIMITS: SearchLimits = { totalMs: 15_000, graceMs: 4_000, requestMs: 10_000 };

/** Answers are as good as new for an hour; a provider that found nothing may know more sooner. */
const KEEP_MS = { found: 60 * 60_000, nothing: 10 * 60_000 };

/** Breaks that a provider asks for, and for one that it does not measure out. */
const REST_MS = { unnamed: 30_000, most: 60 * 60_000 };

/** What one provider made of a query. No hits and no fault: it looked and found nothing. */
export interface Answer {
  readonly provider: string;
  /** Best first. */
  readonly hits: readonly ProviderHit[];
  /** ISO 8601 instant at which the provider said so. */
  readonly madeAt: string;
  readonly fault?: ToolFault;
}

/** A query, and who may know that it was asked. */
export interface Asked extends ProviderQuery {
  /** Whose run asks: with its own keys, where it has some. */
  readonly tenantId: string;
  /** It may hold words of the tenant's own, so the answers are kept to it. */
  readonly isPrivate: boolean;
}

/**
 * Asks providers for one query: those of the whole web one after the other until one answers, the others side by side.
 * Whoever has not answered shortly after the first find, or within the whole time, is left behind.
 * @returns in the order of `providers`, without those that were not asked
 * @throws Aborted when the signal of `wanted` fires
 */
export async function askProviders(
  parts: SearchParts,
  providers: readonly SearchProvider[],
  wanted: Asked,
): Promise<readonly Answer[]> {
  const { totalMs, graceMs } = { ...LIMITS, ...parts.limits };
  const late = new AbortController();
  const leave = () => late.abort(new Aborted('No more time for this query'));
  const timers = [setTimeout(leave, totalMs)];
  const asked = { ...wanted, signal: AbortSignal.any([wanted.signal, late.signal]) };
  const answers = new Map<SearchProvider, Answer>();
  const ask = async (provider: SearchProvider): Promise<Answer> => {
    const answer = await askOne(parts, provider, asked);
    searchAnswers.add(1, { provider: provider.name, outcome: outcomeOf(answer) });
    answers.set(provider, answer);
    if (answer.hits.length > 0 && timers.length === 1) timers.push(setTimeout(leave, graceMs));
    return answer;
  };
  const web = providers.filter(({ field }) => field === 'web');
  const others = providers.filter(({ field }) => field !== 'web');
  try {
    await Promise.all([inTurn(web, ask), ...others.map(ask)]);
  } finally {
    for (const timer of timers) clearTimeout(timer);
    // A bug in one of them ends the call: nobody waits for the others.
    leave();
  }
  if (wanted.signal.aborted) throw abortedBy(wanted.signal);
  return providers.flatMap((provider) => answers.get(provider) ?? []);
}

function outcomeOf({ fault, hits }: Answer): Outcome {
  if (fault) return fault.kind === 'empty' ? 'nothing' : fault.kind;
  return hits.length > 0 ? 'found' : 'nothing';
}

async function inTurn(providers: readonly SearchProvider[], ask: (one: SearchProvider) => Promise<Answer>) {
  for (const provider of providers) {
    const { fault } = await ask(provider);
    if (fault === undefined) return;
  }
}

async function askOne(parts: SearchParts, known: SearchProvider, asked: Asked): Promise<Answer> {
  const { tenantId, isPrivate, ...wanted } = asked;
  const { name, longestQuery } = known;
  const nothing = { provider: name, hits: [], madeAt: new Date(wanted.now).toISOString() };
  const { length } = wanted.query;
  if (length > longestQuery) {
    const message = `${name} takes queries of at most ${longestQuery} characters, and this one has ${length}.`;
    return { ...nothing, fault: { kind: 'invalid', message } };
  }
  let owner: string | null = null;
  try {
    const asking = await askingFor(known, tenantId, parts.secrets, wanted.signal);
    if ('fault' in asking) {
      if (asking.tell !== undefined) parts.onRefusal?.(name, asking.tell);
      return { ...nothing, fault: asking.fault };
    }
    owner = asking.owner;
    // What a tenant's own key has bought is that tenant's.
    const place = { tenantId: owner ?? (isPrivate ? tenantId : null), key: keyOf(known, wanted) };
    const thing = { ...place, freshMs: KEEP_MS.found, signal: wanted.signal };
    const { value, madeAt } = await parts.evidence.share(thing, (signal) => {
      return answerOf(parts, asking, { ...wanted, signal });
    });
    return { provider: name, hits: value, madeAt };
  } catch (error) {
    if (!(error instanceof ArgosyError)) throw error;
    const isOurs = error instanceof ProviderFault && error.kind === 'blocked' && owner === null;
    if (isOurs) parts.onRefusal?.(name, error.message);
    return { ...nothing, fault: wanted.signal.aborted ? tooLate(name) : faultOf(error, name) };
  }
}

/** What an answer depends on, and nothing of who asks. */
function keyOf({ name, hosts }: SearchProvider, wanted: ProviderQuery): string {
  const { query, language, after, before, allowDomains, denyDomains, limit } = wanted;
  return `search:${name}:${JSON.stringify([hosts, query, language, after, before, allowDomains, denyDomains, limit])}`;
}

async function answerOf(
  { pace, door, limits }: SearchParts,
  { provider, owner }: Asking,
  wanted: ProviderQuery,
): Promise<Made<readonly ProviderHit[]>> {
  const { totalMs, requestMs } = { ...LIMITS, ...limits };
  // Pace, quota and breaks are of the key that is asked with.
  const key = `search:${provider.name}${owner === null ? '' : `:${owner}`}`;
  const turn = await pace.turn(key, provider.rule, { patienceMs: totalMs, signal: wanted.signal });
  if (!turn.granted) throw refusal(provider.name, turn);
  const late = AbortSignal.timeout(requestMs);
  try {
    const hits = await provider.search({ ...wanted, signal: AbortSignal.any([wanted.signal, late]) }, door);
    return { value: hits, keepMs: hits.length > 0 ? KEEP_MS.found : KEEP_MS.nothing };
  } catch (error) {
    const breakMs = breakAfter(error);
    if (breakMs !== null) await pace.rest(key, breakMs);
    if (!late.aborted || wanted.signal.aborted) throw error;
    throw new ProviderFault('transient', `${provider.name} gave no answer within ${requestMs} ms.`, undefined, {
      cause: error,
    });
  } finally {
    await turn.done();
  }
}

function refusal(name: string, { why, retryAfterMs }: Turn & { readonly granted: false }): ProviderFault {
  switch (why) {
    case 'busy':
      return new ProviderFault('transient', `${name} is asked by too many at the moment.`, retryAfterMs);
    case 'resting':
      return new ProviderFault('quota', `${name} has asked for a break that is not over.`, retryAfterMs);
    case 'quota':
      return new ProviderFault('quota', `${name} was asked as often as it allows for today.`, retryAfterMs);
  }
}

/** How long nobody should ask after this; null where the provider does not mind. */
function breakAfter(error: unknown): number | null {
  if (!(error instanceof ProviderFault)) return null;
  if (error.kind !== 'quota' && error.retryAfterMs === undefined) return null;
  return Math.min(error.retryAfterMs ?? REST_MS.unnamed, REST_MS.most);
}

function faultOf(error: ArgosyError, name: string): ToolFault {
  if (error instanceof ProviderFault) return error.fault;
  if (error instanceof EgressBlocked || error instanceof EgressFault) {
    return { kind: error.kind, message: `${name}: ${error.message}` };
  }
  return { kind: error.retryable ? 'transient' : 'invalid', message: `${name} could not be asked.` };
}

function tooLate(name: string): ToolFault {
  return { kind: 'transient', message: `${name} did not answer in the time that a query has.` };
}

function abortedBy({ reason }: AbortSignal): Aborted {
  return reason instanceof Aborted ? reason : new Aborted(`The search was given up: ${messageOf(reason)}`);
}
