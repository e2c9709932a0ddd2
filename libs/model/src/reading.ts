/** A page read by a model for a goal: it copies out what serves it, and nothing that it says is taken for true here. */
import type { ModelUsage } from '#domain';
import type { ChatModel, ChatRequest, PromptCount } from './chat-model.ts';
import { ModelFault } from './chat-model.ts';
import { segmentsOf } from './segments.ts';

/** One page, and what is wanted of it. */
export interface PageReading {
  /** The run's model, as requests name it, and the profile that the run was accepted for. */
  readonly model: string;
  readonly profile: string;
  readonly goal: string;
  readonly title: string;
  /** What the model is shown of the page, in its order. */
  readonly parts: readonly string[];
  readonly maxCompletionTokens: number;
  /** Same for no two readings: a page is the beginning of nothing. */
  readonly session: string;
}

/** What a model copied out of a page, as it says: nobody has looked it up yet. */
export interface PageQuotes {
  /** The most useful first. */
  readonly quotes: readonly string[];
  readonly usage: ModelUsage;
}

/** Has pages read by the models of a process. */
export interface PageReader {
  /** Size of the prompt. @throws ModelFault when the model is not here */
  count(reading: PageReading): Promise<PromptCount>;
  /** One model call. @throws ModelFault when it came to nothing; Aborted when `signal` fired */
  read(reading: PageReading, signal: AbortSignal): Promise<PageQuotes>;
}

/** Has pages read by these models. @param models by the names that requests use */
export function pageReader(models: ReadonlyMap<string, ChatModel>): PageReader {
  const modelOf = ({ model: name, profile }: PageReading): ChatModel => {
    const model = models.get(name);
    if (model !== undefined && model.name !== null && model.profile === profile) return model;
    throw new ModelFault(
      'invalid',
      `the model ${name} with the profile ${profile} is not configured on this tool worker`,
    );
  };
  return {
    count: async (reading) => await modelOf(reading).countPrompt(requestOf(reading)),
    async read(reading, signal) {
      const { text, usage } = await modelOf(reading).reply(requestOf(reading), signal);
      return { quotes: quotesIn(text), usage };
    },
  };
}

function requestOf({ goal, title, parts, maxCompletionTokens, session }: PageReading): ChatRequest {
  const reading = { goal, title, parts };
  const turns = [{ role: 'question', text: goal }] as const;
  return { turns, tools: [], today: '', mustAnswer: true, maxCompletionTokens, session, reading };
}

/** More are not looked up: a page has no more that is worth a place. */
const mostQuotes = 20;

/** What stands in `<quote>` tags outside of thinking. */
function quotesIn(text: string): string[] {
  const thoughts = segmentsOf(text).filter(({ kind }) => kind === 'think');
  const said = thoughts.reduceRight((rest, { from, to }) => rest.slice(0, from) + rest.slice(to), text);
  const quotes = [...said.matchAll(/<quote>([\s\S]*?)<\/quote>/g)].map(([, quote = '']) => quote.trim());
  return quotes.filter((quote) => quote !== '').slice(0, mostQuotes);
}
