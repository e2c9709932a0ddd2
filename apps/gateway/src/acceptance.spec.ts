import { describe, expect, it } from '@jest/globals';
import type { ResearchBody } from '#contracts';
import { nothingSpent, permit } from '#domain';
import type { ConfiguredModel } from '#model';
import { extractive } from '../../../test/support/offers.ts';
import { bodyHash, ModelUnavailable, newRunId, type Offer, offerTo, toolPrices, toRequest } from './acceptance.ts';

const corpus = 'c_0123456789abcdef';
const model: ConfiguredModel = { isLanguageModel: true, profile: 'tongyi-v1', contextTokens: 32_000, prices: [] };
const offer: Offer = {
  models: new Map([
    ['extractive', extractive],
    ['big', model],
  ]),
  defaultModel: 'extractive',
  providers: [],
  knowsCorpus: (id) => id === corpus,
};
const online: Offer = { ...offer, providers: ['mediawiki', 'arxiv'] };
const now = new Date('2026-01-31T12:00:00Z');
const good = { question: 'Why?', sources: { corpora: [corpus] } };

describe('toRequest', () => {
  it('freezes everything that a replay needs', () => {
    expect(toRequest({ ...good, metadata: { a: 'b' } }, offer, now)).toEqual({
      question: 'Why?',
      mode: 'react',
      model: 'extractive',
      profile: 'extractive-v1',
      degraded: ['no_llm', 'no_web_search'],
      sources: { corpora: [corpus], web: false, urls: [], providers: [], allowDomains: [], denyDomains: [] },
      limits: expect.objectContaining({
        budget: { steps: 100 },
        contextTokens: null,
        answerTokens: 0,
        answerSeconds: 0,
      }),
      today: '2026-01-31',
      metadata: { a: 'b' },
    });
  });

  it('keeps a run to the providers of its tenant, whether it names some or none', () => {
    const mine = offerTo(online, ['arxiv', 'unheard-of']);
    const providersOf = (sources: ResearchBody['sources'], from = mine) =>
      toRequest({ question: 'Why?', sources }, from, now).sources.providers;
    expect(providersOf({ web: true })).toEqual(['arxiv']);
    expect(providersOf({ providers: ['arxiv'] })).toEqual(['arxiv']);
    expect(providersOf({ corpora: [corpus] })).toEqual([]);
    expect(() => providersOf({ providers: ['mediawiki'] })).toThrow(
      /"mediawiki" is no search provider .* known: arxiv/,
    );
    expect(() => providersOf({ web: true }, offerTo(online, []))).toThrow(/the web cannot be searched/);
    expect(providersOf({ web: true }, offerTo(online, null))).toEqual([]);
  });

  it('calls a run degraded only by what is missing', () => {
    const web = { ...good, sources: { ...good.sources, web: true } };
    expect(toRequest({ ...web, model: 'big' }, online, now).degraded).toEqual([]);
    expect(toRequest({ ...good, model: 'big' }, online, now).degraded).toEqual(['no_web_search']);
  });

  it('keeps a reserve for the answer of a language model, a quarter of the time and at most two minutes', () => {
    const limits = (seconds: number) => toRequest({ ...good, model: 'big', budget: { seconds } }, offer, now).limits;
    expect(limits(40)).toMatchObject({ budget: { seconds: 40 }, answerSeconds: 10, contextTokens: 32_000 });
    expect(limits(4_000).answerSeconds).toBe(120);
    expect(limits(40).answerTokens).toBeGreaterThan(0);
  });

  it('freezes a deadline in UTC, keeps a quarter of the time to it for the answer, and refuses what nobody can keep', () => {
    const limits = (deadline: string, seconds?: number) =>
      toRequest({ ...good, model: 'big', deadline, budget: { seconds } }, offer, now).limits;
    expect(limits('2026-01-31T13:00:40+01:00')).toMatchObject({
      budget: { steps: 100 },
      deadline: '2026-01-31T12:00:40.000Z',
      answerSeconds: 10,
    });
    expect(limits('2026-01-31T12:00:40Z', 20).answerSeconds).toBe(5);
    expect(() => limits('2026-01-31T12:00:00Z')).toThrow(/deadline: is over; here it is 2026-01-31T12:00:00.000Z/);
    expect(() => limits('2026-02-07T12:00:01Z')).toThrow(/deadline: lies more than seven days ahead/);
  });

  it('keeps smaller reserves within a small budget, so that some research is affordable', () => {
    const { limits } = toRequest({ ...good, model: 'big', budget: { tokens: 16_000 } }, offer, now);
    expect(limits).toMatchObject({ replyTokens: 2_000, answerTokens: 2_000, observationTokens: 2_666 });
    expect(permit(nothingSpent, 1_500, 0, limits).kind).toBe('research');
  });

  it('bounds tool calls and output, and lets a small output hold research and an answer, too', () => {
    const budget = { output_tokens: 400, tool_calls: 3 };
    const { limits } = toRequest({ ...good, model: 'big', budget }, offer, now);
    expect(limits).toMatchObject({
      budget: { steps: 100, outputTokens: 400, toolCalls: 3 },
      replyTokens: 100,
      answerTokens: 100,
    });
    expect(permit(nothingSpent, 1_000, 0, limits).kind).toBe('research');
    expect(permit({ ...nothingSpent, toolCalls: 3 }, 1_000, 0, limits)).toMatchObject({ reason: 'max_tool_calls' });
  });

  it('freezes what tools cost, as the operator wrote it', () => {
    expect(toRequest(good, { ...offer, ...toolPrices('search=0.001,visit=2') }, now).limits.toolUsd).toEqual({
      search: 0.001,
      visit: 2,
    });
    const dated = toolPrices('search=0.001;2026-02-01:search=0.002');
    expect(toRequest(good, { ...offer, ...dated }, new Date('2026-01-31T12:00:00Z')).limits).toMatchObject({
      toolUsd: { search: 0.001 },
      priceChanges: [{ from: '2026-02-01T00:00:00.000Z', toolUsd: { search: 0.002 } }],
    });
    expect(toolPrices(undefined)).toEqual({});
    expect(toRequest(good, offer, now).limits).not.toHaveProperty('toolUsd');
  });

  it('takes an output schema for a language model only', () => {
    const body = { ...good, citations: 'strict' as const, output_schema: { type: 'object' } };
    expect(toRequest({ ...body, model: 'big' }, offer, now)).toMatchObject({
      citations: 'strict',
      outputSchema: { type: 'object' },
    });
    expect(() => toRequest(body, offer, now)).toThrow(/^output_schema: extractive writes nothing of its own/);
  });

  it('needs something to read unless the web can be searched', () => {
    expect(() => toRequest({ question: 'Why?' }, offer, now)).toThrow(/nothing to read/);
    expect(() => toRequest({ question: 'Why?', sources: { web: false } }, online, now)).toThrow(
      /sources\.web is false/,
    );
    expect(
      toRequest({ question: 'Why?', sources: { urls: ['http://x.example'] } }, offer, now).sources.urls,
    ).toHaveLength(1);
  });

  it.each<[string, NonNullable<ResearchBody['sources']>, boolean]>([
    ['documents alone', { corpora: [corpus] }, false],
    ['pages alone', { urls: ['http://x.example'] }, false],
    ['nothing else', {}, true],
    ['documents and the web', { corpora: [corpus], web: true }, true],
    ['documents and a provider', { corpora: [corpus], providers: ['arxiv'] }, true],
  ])('lets a run with %s (%j) search the web: %s', (_what, sources, web) => {
    expect(toRequest({ question: 'Why?', sources }, online, now).sources.web).toBe(web);
  });

  it('freezes the providers and days that a request names, and refuses what runs may not ask', () => {
    const sources = { providers: ['arxiv', 'arxiv'], published_after: '2024-01-01', published_before: '2024-12-31' };
    expect(toRequest({ question: 'Why?', sources }, online, now).sources).toMatchObject({
      providers: ['arxiv'],
      publishedAfter: '2024-01-01',
      publishedBefore: '2024-12-31',
    });
    expect(toRequest({ question: 'Why?' }, online, now).sources).toMatchObject({ providers: [] });
    const strange = { question: 'Why?', sources: { providers: ['arxiv', 'google'] } };
    expect(() => toRequest(strange, online, now)).toThrow(
      /^sources\.providers\.1: "google" .*known: mediawiki, arxiv$/,
    );
    expect(() => toRequest(strange, offer, now)).toThrow(/known: none/);
    const web = { ...good, sources: { ...good.sources, web: true } };
    expect(() => toRequest(web, offer, now)).toThrow(/^sources\.web: no search provider is configured/);
  });

  it('refuses a model that is not configured, naming those that are', () => {
    expect(() => toRequest({ ...good, model: 'gpt' }, offer, now)).toThrow(ModelUnavailable);
    expect(() => toRequest({ ...good, model: 'gpt' }, offer, now)).toThrow(/"gpt".*known: extractive, big/);
  });

  it('refuses a budget in money where prices are unknown, and takes it where they are known', () => {
    const body = { ...good, budget: { usd: 1 } };
    expect(() => toRequest({ ...body, model: 'big' }, offer, now)).toThrow(/^budget\.usd: .*ARGOSY_MODEL_PRICES/);
    expect(toRequest(body, offer, now).limits.budget).toEqual({ steps: 100, usd: 1 });
  });
});

describe('newRunId', () => {
  it('sorts by time and holds 80 bits of chance', () => {
    const random = new Uint8Array(10).fill(0xab);
    expect(newRunId(0, random)).toBe(`run_${'0'.repeat(12)}${'ab'.repeat(10)}`);
    const times = [1, 255, 256, 1_800_000_000_000, 2 ** 47];
    const ids = times.map((time) => newRunId(time, random));
    expect([...ids].sort()).toEqual(ids);
  });
});

describe('bodyHash', () => {
  it('is the same for another order of keys, at every depth, and differs for another order of a list', () => {
    const hash = bodyHash({ question: 'a', sources: { urls: ['x', 'y'], corpora: [] } });
    expect(bodyHash({ sources: { corpora: [], urls: ['x', 'y'] }, question: 'a' })).toBe(hash);
    expect(bodyHash({ question: 'a', sources: { urls: ['y', 'x'], corpora: [] } })).not.toBe(hash);
    expect(bodyHash({ question: 'b', sources: { urls: ['x', 'y'], corpora: [] } })).not.toBe(hash);
  });
});
