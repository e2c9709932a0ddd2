import { createHash } from 'node:crypto';
import type { ResearchBody } from '#contracts';
import { type Dated, datedOf, type Limits, pricesFrom, type ResearchRequest, type SourcePolicy } from '#domain';
import { ArgosyError, InvalidInput } from '#errors';
import type { ConfiguredModel } from '#model';

/** What this deployment offers; everything a request may name. */
export interface Offer {
  readonly models: ReadonlyMap<string, ConfiguredModel>;
  /** The model of a request that names none. */
  readonly defaultModel: string;
  /** Names of the search providers that runs may ask; without any, no run searches the web. */
  readonly providers: readonly string[];
  /** Not all that the deployment has: a run keeps to these, also when it names none. */
  readonly narrowed?: true;
  /** Says whether a corpus is here that nobody uploaded: the index of a folder on the gateway's own machine. */
  readonly knowsCorpus: (id: string) => boolean;
  /** Whether a run's language model reads the pages that are visited; else words alone choose their passages. */
  readonly readsPages?: boolean;
  /** USD of one call by tool, from when on, in order of time; what is not named is free. Absent: all are. */
  readonly toolUsd?: readonly Dated<Readonly<Record<string, number>>>[];
}

/** A request named a model that nobody configured. */
export class ModelUnavailable extends ArgosyError {
  override readonly name = 'ModelUnavailable';
  readonly code = 'model_unavailable';
  readonly retryable = false;
}

/** What a tenant is offered. @param providers those that its runs may ask; null for all */
export function offerTo(offer: Offer, providers: readonly string[] | null): Offer {
  if (providers === null) return offer;
  return { ...offer, providers: offer.providers.filter((name) => providers.includes(name)), narrowed: true };
}

/** Model calls of a run that names no budget. */
const defaultSteps = 100;

/**
 * Turns a request body into what is frozen with the run.
 * @param now the instant of the accept
 * @throws InvalidInput, ModelUnavailable
 */
export function toRequest(body: ResearchBody, offer: Offer, now: Date): ResearchRequest {
  const name = body.model ?? offer.defaultModel;
  const model = offeredModel(name, offer);
  const sources = policyOf(body.sources ?? {}, offer);
  if (body.budget?.usd !== undefined && model.prices.length === 0) {
    const message = `the prices of ${name} are not configured, so a budget in money cannot be kept; use budget.tokens, or set ARGOSY_MODEL_PRICES`;
    throw new InvalidInput([{ path: 'budget.usd', message }]);
  }
  if (body.output_schema !== undefined && !model.isLanguageModel) throw new InvalidInput([noAuthor(name)]);
  return {
    question: body.question,
    mode: body.mode ?? 'react',
    model: name,
    profile: model.profile,
    degraded: [...(model.isLanguageModel ? [] : ['no_llm']), ...(sources.web ? [] : ['no_web_search'])],
    sources,
    limits: {
      ...limitsOf(body.budget ?? {}, model, secondsUntil(body.deadline, now)),
      ...(body.deadline === undefined ? {} : { deadline: new Date(body.deadline).toISOString() }),
      ...(offer.readsPages && model.isLanguageModel ? readingWithin(smallest(body.budget?.tokens, model)) : {}),
      ...pricesFrom(model.prices, offer.toolUsd ?? [], now),
    },
    today: now.toISOString().slice(0, 10),
    metadata: body.metadata ?? {},
    ...(body.citations === undefined ? {} : { citations: body.citations }),
    ...(body.output_schema === undefined ? {} : { outputSchema: body.output_schema }),
  };
}

/** @throws ModelUnavailable for one that nobody configured */
export function offeredModel(name: string, { models }: Offer): ConfiguredModel {
  const model = models.get(name);
  if (model !== undefined) return model;
  const known = [...models.keys()].join(', ');
  throw new ModelUnavailable(`The model ${JSON.stringify(name)} is not configured here; known: ${known}.`);
}

/**
 * What a run may touch. With documents or pages of its own it leaves the web alone unless it asks for it; which providers
 * are asked is frozen only where it names them, or its tenant may not ask all.
 */
function policyOf(asked: NonNullable<ResearchBody['sources']>, offer: Offer): SourcePolicy {
  const { corpora = [], urls = [], providers = [], published_after, published_before } = asked;
  const isBare = corpora.length === 0 && urls.length === 0;
  const web = asked.web ?? (providers.length > 0 || (isBare && offer.providers.length > 0));
  refuseStrangers(providers, offer);
  if (web && offer.providers.length === 0) throw new InvalidInput([noProvider]);
  if (isBare && !web) throw new InvalidInput([nothingToRead(offer)]);
  return {
    corpora,
    urls,
    web,
    providers: [...new Set(web && offer.narrowed && providers.length === 0 ? offer.providers : providers)],
    allowDomains: asked.allow_domains ?? [],
    denyDomains: asked.deny_domains ?? [],
    ...(published_after === undefined ? {} : { publishedAfter: published_after }),
    ...(published_before === undefined ? {} : { publishedBefore: published_before }),
  };
}

function refuseStrangers(named: readonly string[], { providers }: Offer): void {
  const known = providers.join(', ') || 'none';
  const problems = named.flatMap((name, index) => {
    const message = `${JSON.stringify(name)} is no search provider that runs may ask here; known: ${known}`;
    return providers.includes(name) ? [] : [{ path: `sources.providers.${index}`, message }];
  });
  if (problems.length > 0) throw new InvalidInput(problems);
}

const noProvider = {
  path: 'sources.web',
  message: 'no search provider is configured here, so the web cannot be searched',
};

function nothingToRead({ providers }: Offer) {
  const web = providers.length === 0 ? 'no web search provider is configured' : 'sources.web is false';
  const message = `there is nothing to read: name documents (sources.corpora) or pages (sources.urls); ${web}`;
  return { path: 'sources', message };
}

function noAuthor(model: string) {
  const message = `${model} writes nothing of its own, so nobody could fill the schema; name a language model`;
  return { path: 'output_schema', message };
}

/** Timers of a process reach no further than 24 days. */
const furthestDeadlineSeconds = 7 * 86_400;

/** Infinity without a deadline. @throws InvalidInput for one that lies behind or too far ahead */
function secondsUntil(deadline: string | undefined, now: Date): number {
  if (deadline === undefined) return Infinity;
  const seconds = (Date.parse(deadline) - now.getTime()) / 1000;
  if (seconds > 0 && seconds <= furthestDeadlineSeconds) return seconds;
  const fault = seconds > 0 ? 'lies more than seven days ahead' : 'is over';
  throw new InvalidInput([{ path: 'deadline', message: `${fault}; here it is ${now.toISOString()}` }]);
}

function limitsOf(
  budget: NonNullable<ResearchBody['budget']>,
  model: ConfiguredModel,
  leftSeconds: number,
): Omit<Limits, 'prices'> {
  const { steps = defaultSteps, tokens, seconds, usd, output_tokens: outputTokens, tool_calls: toolCalls } = budget;
  const time = Math.min(seconds ?? Infinity, leftSeconds);
  return {
    budget: {
      steps,
      ...(tokens === undefined ? {} : { tokens }),
      ...(seconds === undefined ? {} : { seconds }),
      ...(usd === undefined ? {} : { usd }),
      ...(outputTokens === undefined ? {} : { outputTokens }),
      ...(toolCalls === undefined ? {} : { toolCalls }),
    },
    contextTokens: model.contextTokens,
    ...(model.isLanguageModel ? reservesWithin(smallest(tokens, model), outputTokens) : noReserves),
    answerSeconds: model.isLanguageModel && Number.isFinite(time) ? Math.min(120, time / 4) : 0,
  };
}

/**
 * Room for the longest reply, answer and observation of a `tongyi-v1` run, in tokens. Smaller where the budget or the
 * context window is small: the full room would leave none for any research.
 */
function reservesWithin(tokens: number, outputTokens = Infinity) {
  return {
    replyTokens: Math.min(10_000, Math.floor(tokens / 8), Math.floor(outputTokens / 4)),
    answerTokens: Math.min(8_000, Math.floor(tokens / 8), Math.floor(outputTokens / 4)),
    observationTokens: Math.min(16_000, Math.floor(tokens / 6)),
  };
}

/** The budget or the window, whichever is smaller, in tokens. */
function smallest(tokens: number | undefined, { contextTokens }: ConfiguredModel): number {
  return Math.min(tokens ?? Infinity, contextTokens ?? Infinity);
}

/** With less of a page than this, in tokens, words choose as well. */
const leastReading = 2_000;

/** The model call that reads a page: one of 16,000 tokens is about 50,000 characters. */
function readingWithin(tokens: number): Pick<Limits, 'reading'> {
  const promptTokens = Math.min(16_000, Math.floor(tokens / 8));
  if (promptTokens < leastReading) return {};
  return { reading: { promptTokens, replyTokens: Math.min(2_000, Math.floor(tokens / 16)) } };
}

const noReserves = { replyTokens: 0, answerTokens: 0, observationTokens: 0 };

/** Reads `ARGOSY_TOOL_PRICES`, `search=0.001,visit=0.002;2026-07-01:search=0.002`, which the configuration has checked. */
export function toolPrices(text: string | undefined): Pick<Offer, 'toolUsd'> {
  if (text === undefined) return {};
  const feeOf = (pair: string): [string, number] => {
    const [tool = '', usd = ''] = pair.trim().split('=');
    return [tool, Number(usd)];
  };
  return { toolUsd: datedOf(text, (part) => Object.fromEntries(part.split(',').map(feeOf))) };
}

/** Sorts by time: 12 hex digits of milliseconds, then 20 of chance. Safe in paths and BullMQ ids. */
export function newRunId(nowMs: number, random: Uint8Array): string {
  return `run_${nowMs.toString(16).padStart(12, '0')}${Buffer.from(random.subarray(0, 10)).toString('hex')}`;
}

/** Tells a repeated request from another one. Keys are sorted, so their order does not matter. */
export function bodyHash(body: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(sortKeys(body)))
    .digest('hex');
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sortKeys(item)]),
  );
}
