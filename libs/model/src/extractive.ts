import { type AnswerPart, type ModelReply, quotePassage, type Turn } from '#domain';
import { Aborted } from '#errors';
import type { ChatModel, ChatRequest } from './chat-model.ts';

const free = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };

/** The researcher without a language model: plans queries, reads, and answers with verbatim passages. Deterministic. */
export function extractiveModel(): ChatModel {
  return {
    name: null,
    profile: 'extractive-v1',
    contextTokens: Number.POSITIVE_INFINITY,
    estimatePromptTokens: () => 0,
    async reply(request, signal) {
      if (signal.aborted) throw new Aborted('The extractive researcher was stopped.');
      return { text: '', usage: free, ...decide(request) };
    },
  };
}

function decide({ turns, mustAnswer }: ChatRequest): Pick<ModelReply, 'calls' | 'answer'> {
  const question = turns[0]?.role === 'question' ? turns[0].text : '';
  if (turns.length === 1 && !mustAnswer) return { calls: [{ tool: 'search', args: { query: [question] } }] };
  return { calls: [], answer: answerOf(turns) };
}

function answerOf(turns: readonly Turn[]): AnswerPart[] {
  const passages = turns
    .flatMap((turn) => (turn.role === 'tools' ? turn.results : []))
    .flatMap((outcome) => outcome.observation.sections.flatMap((section) => section.passages))
    .slice(0, 8);
  const notice = 'No language model wrote this: these are the passages of the sources that fit best, word for word.';
  return [{ text: notice, claim: false, citations: [] }, ...passages.map(quotePassage)];
}
