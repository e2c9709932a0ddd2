import { type AnswerPart, type ModelReply, quotePassage, type Section, type ToolCall, type Turn } from '#domain';
import { Aborted } from '#errors';
import type { ChatModel, ChatRequest } from '../chat-model.ts';
import { type Aspect, aspectsOf } from './aspects.ts';
import { coverage, fieldWords, pool, sectionsOf, type WeightedSection } from './evidence.ts';
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

/**
 * The researcher without a language model. It splits the question into aspects, searches for each, reads what the user
 * named, asks again in the words of the first hits and for aspects that found too little, and answers with verbatim
 * passages. Deterministic; each call costs milliseconds and no tokens.
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
  const rounds = turns.filter((turn) => turn.role === 'tools').length;
  if (!mustAnswer && rounds === 0) {
    const calls = [...visitCalls(plan), ...searchCalls(plan, firstQueries(plan))];
    if (calls.length > 0) return { calls };
  }
  if (!mustAnswer && rounds === 1) {
    const calls = searchCalls(plan, secondQueries(plan, turns));
    if (calls.length > 0) return { calls };
  }
  return { calls: [], answer: answerOf(plan, sectionsOf(turns)) };
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

function firstQueries({ question, aspects }: Plan): string[] {
  return [question, ...aspects.map(({ query }) => query)];
}

/** Each aspect once more: in the words of its first hits, or alone where these do not speak of it. */
function secondQueries({ question, aspects }: Plan, turns: readonly Turn[]): string[] {
  const sections = sectionsOf(turns);
  if (sections.every(({ passages }) => passages.length === 0)) return [];
  return aspects.flatMap((aspect) => {
    const best = pool(sectionsFor(aspect, question, sections)).slice(0, learnFrom);
    const [top] = best;
    if (top !== undefined && coverage(aspect, top) < enoughCoverage && aspect.text !== aspect.query)
      return [aspect.text];
    const learnt = fieldWords(best, question, addedWords);
    return learnt.length === 0 ? [] : [`${aspect.query} ${learnt.join(' ')}`];
  });
}

function answerOf({ question, aspects }: Plan, sections: readonly Section[]): AnswerPart[] {
  const answers = selectAnswer(aspects, (aspect) => sectionsFor(aspect, question, sections)).filter(
    ({ passages }) => passages.length > 0,
  );
  const failed = failedLookups(sections);
  if (answers.length === 0) {
    const found =
      failed.length < sections.length || sections.length === 0
        ? 'The sources hold nothing that fits the question.'
        : 'Nothing could be read.';
    return [framing(found), ...failed];
  }
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
    const { label } = section;
    if (label === aspect.query || label === aspect.text) return [{ section, weight: 1 }];
    if (label === question || label.includes('://')) return [{ section, weight: 0.8 }];
    return label.startsWith(aspect.query) ? [{ section, weight: feedbackWeight }] : [];
  });
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
