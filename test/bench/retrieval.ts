import { readFile } from 'node:fs/promises';
import type { AnswerPart, ToolOutcome, Turn } from '#domain';
import { extractiveModel } from '#model';
import type { Corpora, Tool } from '#tools';

/** A question with the phrases that answer it: one of each inner list must be found. */
export interface Question {
  readonly id: string;
  readonly collection: string;
  readonly question: string;
  readonly kind: 'plain' | 'reworded';
  readonly compound: boolean;
  readonly expect: readonly (readonly string[])[];
}

/** Where a collection comes from: an npm package, or a folder of a Debian package. */
export type Collection =
  | { readonly npm: string; readonly version: string }
  | { readonly debian: string; readonly version: string; readonly path: string };

export interface QuestionSet {
  readonly collections: Readonly<Record<string, Collection>>;
  readonly questions: readonly Question[];
}

export async function readQuestions(name: 'test' | 'dev'): Promise<QuestionSet> {
  return JSON.parse(await readFile(new URL(`questions/${name}.json`, import.meta.url), 'utf8')) as QuestionSet;
}

/** Readable text: without markup characters, white space collapsed, lower case; for both sides of a comparison. */
function readable(text: string): string {
  return text
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[`*_\\]/g, '')
    .replace(/\s+/g, ' ')
    .toLowerCase();
}

/** Whether some passages together hold a phrase of every aspect. */
export function answers(passages: readonly string[], { expect }: Question): boolean {
  const texts = passages.map(readable);
  return expect.every((phrases) => phrases.some((phrase) => texts.some((text) => text.includes(readable(phrase)))));
}

/** The control: plain BM25 top 8. */
export async function plainPassages(corpora: Corpora, id: string, question: string): Promise<string[]> {
  return (await corpora.plainSearch([id], question, 8)).map(({ text }) => text);
}

/** What the extractive researcher cites, driven by hand through the real tools. */
export async function extractivePassages(tools: readonly Tool[], id: string, question: string): Promise<string[]> {
  const model = extractiveModel();
  const signal = new AbortController().signal;
  const policy = { corpora: [id], web: false, urls: [], providers: [], allowDomains: [], denyDomains: [] };
  const turns: Turn[] = [{ role: 'question', text: question }];
  for (let step = 0; step < 20; step++) {
    const request = { turns, tools: tools.map((t) => t.signature), today: '2026-01-01', mustAnswer: step === 19 };
    const reply = await model.reply({ ...request, maxCompletionTokens: 0, session: 'bench' }, signal);
    if (reply.answer !== undefined) return quotesOf(reply.answer);
    const results: ToolOutcome[] = [];
    for (const call of reply.calls) {
      const tool = tools.find(({ signature }) => signature.name === call.tool);
      if (tool === undefined) throw new Error(`the researcher asked for ${call.tool}`);
      const context = {
        tenantId: 'local',
        policy,
        signal,
        callId: 'bench',
        opens: null,
        reading: null,
        now: '2026-01-01T00:00:00Z',
      };
      results.push({ call, observation: (await tool.run(call.args, context)).observation });
    }
    turns.push({ role: 'model', text: reply.text, calls: reply.calls }, { role: 'tools', results });
  }
  return [];
}

function quotesOf(answer: readonly AnswerPart[]): string[] {
  return answer.flatMap((part) => part.citations.map(({ quote }) => quote));
}
