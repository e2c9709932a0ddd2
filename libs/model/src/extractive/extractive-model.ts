import {
  type AnswerPart,
  type ModelReply,
  quotePassage,
  type Section,
  subjectWords,
  type ToolCall,
  type Turn,
} from '#domain';
import { Aborted } from '#errors';
import type { ChatModel, ChatRequest } from '../chat-model.ts';
import { type Aspect, aspectsOf } from './aspects.ts';
import { coverage, fieldWords, pool, sectionsOf, type WeightedSection } from './evidence.ts';
import { addressesAsked, pagesToRead } from './pages.ts';
import { selectAnswer } from './selection.ts';

const free = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };

/** Most addresses in one `visit`, most queries in one `search`. */
const mostPerCall = 5;

/** Passages that a feedback query learns from. */
const learnFrom = 6;

/** Words of the field that a feedback query adds. */
const addedWords = 4;

/** How much the order of a feedback query counts beside that of the question itself. */
const feedbackWeight = 0.15;

/** An aspect whose best passage covers less of its words than this is asked again. */
const enoughCoverage = 0.5;

/** Rounds of tool calls. */
const mostRounds = 4;

/** Pages of a search that are read at first, and later for aspects that these say too little of. */
const mostPages = { first: 5, later: 3 } as const;

/**
 * The researcher without a language model. It splits the question into aspects, searches for each, reads what the user
 * named and the best of what searches name, asks again in the words of what it found and for aspects that found too
 * little, and answers with verbatim passages; what it did not read it never quotes. Deterministic; each call costs
 * milliseconds and no tokens.
 */
export function extractiveModel(): ChatModel {
  return {
    name: null,
    profile: 'extractive-v1',
    contextTokens: Number.POSITIVE_INFINITY,
    // No model reads a prompt: nothing is exactly what there is to count, and no later usage will correct it.
    countPrompt: async () => ({ tokens: 0, basis: 'tokenizer' }),
    async reply(request, signal) {
      if (signal.aborted) throw new Aborted('The extractive researcher was stopped.');
      return { text: '', usage: free, ...decide(request) };
    },
  };
}

function decide(request: ChatRequest): Pick<ModelReply, 'calls' | 'answer'> {
  const { turns, mustAnswer } = request;
  const plan = planOf(request);
  const calls = mustAnswer ? [] : nextCalls(plan, turns);
  return calls.length > 0 ? { calls } : { calls, answer: answerOf(plan, sectionsOf(turns)) };
}

/** Searches, reads what was named, and searches once more. */
function nextCalls(plan: Plan, turns: readonly Turn[]): ToolCall[] {
  const rounds = turns.filter((turn) => turn.role === 'tools');
  if (rounds.length >= mostRounds) return [];
  if (rounds.length === 0)
    return [...visitCalls(plan), ...searchCalls(plan, firstQueries(plan)), ...scholarCalls(plan)];
  const searches = rounds.filter(({ results }) => results.some(({ call }) => call.tool === 'search'));
  const again = searches.length > 1 ? [] : searchCalls(plan, secondQueries(plan, turns));
  return [...readCalls(plan, turns, rounds.length === 1), ...again];
}

interface Plan {
  readonly question: string;
  readonly urls: readonly string[];
  readonly aspects: readonly Aspect[];
  readonly can: ReadonlySet<string>;
}

function planOf({ turns, tools }: ChatRequest): Plan {
  const [first] = turns;
  const asked = first?.role === 'question' ? first : { text: '', urls: [] };
  return {
    question: asked.text,
    urls: asked.urls ?? [],
    aspects: aspectsOf(asked.text),
    can: new Set(tools.map((tool) => tool.name)),
  };
}

function visitCalls({ urls, question, can }: Plan): ToolCall[] {
  if (!can.has('visit')) return [];
  const calls: ToolCall[] = [];
  for (let i = 0; i < urls.length; i += mostPerCall) {
    calls.push({ tool: 'visit', args: { url: urls.slice(i, i + mostPerCall), goal: question } });
  }
  return calls;
}

function searchCalls({ can }: Plan, queries: readonly string[]): ToolCall[] {
  if (!can.has('search') || queries.length === 0) return [];
  return [{ tool: 'search', args: { query: [...new Set(queries)].slice(0, mostPerCall) } }];
}

/** Once, since abstracts are found by subject: what they do not speak of, another wording does not bring either. */
function scholarCalls({ question, can }: Plan): ToolCall[] {
  return can.has('scholar') ? [{ tool: 'scholar', args: { query: [question] } }] : [];
}

/** The best pages that searches named, each read for the aspect that it was chosen for. */
function readCalls({ question, aspects, can }: Plan, turns: readonly Turn[], isFirst: boolean): ToolCall[] {
  if (!can.has('visit')) return [];
  const sections = sectionsOf(turns);
  const of = (aspect: Aspect): readonly WeightedSection[] => sectionsFor(aspect, question, sections);
  const open = isFirst ? aspects : aspects.filter((aspect) => !isCovered(aspect, of(aspect)));
  const pages = pagesToRead(open, of, addressesAsked(turns), isFirst ? mostPages.first : mostPages.later);
  const goals = Map.groupBy(pages, ({ aspect }) => aspect.query);
  return [...goals].map(([goal, read]) => ({ tool: 'visit', args: { url: read.map(({ url }) => url), goal } }));
}

function isCovered(aspect: Aspect, sections: readonly WeightedSection[]): boolean {
  const [top] = pool(sections);
  return top !== undefined && coverage(aspect, top) >= enoughCoverage;
}

function firstQueries({ question, aspects }: Plan): string[] {
  return [question, ...aspects.map(({ query }) => query)];
}

/**
 * Each aspect once more: by its subject alone where nothing at all was found, in the words of what was found, or without
 * the words of others where that does not speak of it. The web is asked again only for what its pages say too little of.
 */
function secondQueries({ question, aspects }: Plan, turns: readonly Turn[]): string[] {
  const sections = sectionsOf(turns);
  const hasDocuments = sections.some(({ label, passages }) => !isPage(label) && passages.length > 0);
  return aspects.flatMap((aspect) => {
    const own = sectionsFor(aspect, question, sections);
    if (own.length > 0 && own.every(({ section }) => section.fault?.kind === 'empty')) return [subjectOf(aspect)];
    const best = pool(own).slice(0, learnFrom);
    const covered = isCovered(aspect, own);
    if (best.length > 0 && !covered && aspect.text !== aspect.query) return [aspect.text];
    if (covered && !hasDocuments) return [];
    const learnt = fieldWords(best, question, addedWords);
    return learnt.length === 0 ? [] : [`${aspect.query} ${learnt.join(' ')}`];
  });
}

function subjectOf({ query }: Aspect): string {
  return subjectWords(query).join(' ');
}

function isPage(label: string): boolean {
  return label.includes('://');
}

function answerOf({ question, aspects }: Plan, sections: readonly Section[]): AnswerPart[] {
  const answers = selectAnswer(aspects, (aspect) => sectionsFor(aspect, question, sections)).filter(
    ({ passages }) => passages.length > 0,
  );
  const failed = failedLookups(sections);
  if (answers.length === 0) return [framing(whyNothing(sections)), ...failed];
  const notice =
    'No language model wrote this answer. It quotes, word for word, the passages that fit the question best.';
  const parts = answers.flatMap(({ aspect, passages }) => {
    const title = answers.length > 1 ? [framing(`### ${heading(aspect)}`)] : [];
    return [...title, ...passages.map(quotePassage)];
  });
  return [framing(notice), ...parts, ...failed];
}

/** What was asked for an aspect, in its own words, is trusted most; a guess in the words of the field least. */
function sectionsFor(aspect: Aspect, question: string, sections: readonly Section[]): WeightedSection[] {
  return sections.flatMap((section) => {
    const { label, hits = [] } = section;
    // What stands in a page, or in an abstract, is the best of that page or of those works, not of all that there is.
    const goal = isPage(label) || hits.some(({ work }) => work !== undefined) ? { goal: aspect } : {};
    if ([aspect.query, aspect.text, subjectOf(aspect)].includes(label)) return [{ section, weight: 1, ...goal }];
    if (label === question || isPage(label)) return [{ section, weight: 0.8, ...goal }];
    return label.startsWith(aspect.query) ? [{ section, weight: feedbackWeight }] : [];
  });
}

function whyNothing(sections: readonly Section[]): string {
  const read = sections.filter(({ passages, hits = [] }) => passages.length > 0 || hits.length === 0);
  if (read.length === 0 && sections.length > 0) return 'The search named pages, and none of them was read.';
  const failed = read.filter(({ fault }) => fault !== undefined && fault.kind !== 'empty');
  return failed.length === read.length && read.length > 0
    ? 'Nothing could be read.'
    : 'The sources hold nothing that fits the question.';
}

function framing(text: string): AnswerPart {
  return { text, claim: false, citations: [] };
}

/** What could not be looked up must not pass for what is not there. */
function failedLookups(sections: readonly Section[]): AnswerPart[] {
  return sections.flatMap(({ label, fault }) =>
    fault === undefined || fault.kind === 'empty' ? [] : [framing(`Not looked up: ${label}: ${fault.message}`)],
  );
}

function heading({ text }: Aspect): string {
  const bare = text.replace(/^(?:and|or|but)\s+/i, '').replace(/\s+/g, ' ');
  return bare.charAt(0).toUpperCase() + bare.slice(1);
}
