/**
 * A researcher as a script of the model server. It looks up what its plan says, and then quotes: only what stands in the
 * prompt that it was sent, so that evidence which was lost on the way is missing in its answer. Its replies depend on
 * nothing but the request, whoever sends it and how often. Profile `tongyi-v1`.
 */
import type { Player, RecordedRequest, ServerTurn } from './model-server.ts';
import { thinkAndAnswer } from './scripted-research.ts';

/** One tool call. */
export type LookUp =
  | { readonly search: readonly string[] }
  | { readonly visit: readonly string[]; readonly goal: string };

/** A sentence of the answer. */
export interface Fact {
  readonly says: string;
  /** Looked for in the passages of the prompt; what fits in the first that holds it is the quote. */
  readonly proof: string | RegExp;
  /** Quoted with words that stand nowhere: until the loop asks for a proof, or then, too. */
  readonly misquoted?: 'at first' | 'always';
  /** The field of the output that it fills. */
  readonly field?: Field;
}

export interface Field {
  /** At the top of the object. */
  readonly name: string;
  /** Default: the quote itself. */
  readonly read?: (quote: string) => unknown;
}

/** What a request asks of the researcher. */
export interface Moment {
  readonly doing: 'look-up' | 'answer' | 'repair' | 'output';
  /** Number of the look-up, from 0; behind the last one, their count. */
  readonly step: number;
  /** How often this run was at this moment before: its reply was lost, or could not be used. */
  readonly times: number;
}

export interface ResearchPlan {
  /** Each is one reply; a list, one with several calls. */
  readonly lookUps: readonly (LookUp | readonly LookUp[])[];
  readonly facts: readonly Fact[];
  /** Whether the fields of an output are null instead of what they should be: until the loop says so, or always. */
  readonly misfit?: 'at first' | 'always';
  /** Latency, usage and faults; may take the place of the text, too. */
  readonly manner?: (moment: Moment) => ServerTurn;
}

/** @returns one function for all requests of all runs that have this plan */
export function scriptedResearcher(plan: ResearchPlan): Player {
  const met = new Map<string, number>();
  return (request) => {
    if (isReading(request)) return copiedOut(plan, request);
    const { doing, step } = momentOf(request, plan);
    const key = `${request.headers['x-session-id']} ${doing} ${step}`;
    const times = met.get(key) ?? 0;
    met.set(key, times + 1);
    return { text: textFor(doing, step, { plan, request }), ...plan.manner?.({ doing, step, times }) };
  };
}

/** Whether a tool worker has a page read. */
export function isReading({ body }: RecordedRequest): boolean {
  return body.messages[0]?.content.startsWith(words.reading) ?? false;
}

/** Of a page, what its facts need, word for word. */
function copiedOut({ facts }: ResearchPlan, { body }: RecordedRequest): string {
  const [, text = ''] = /\ntext:\n([\s\S]*?)\n<\/passage>/.exec(body.messages[1]?.content ?? '') ?? [];
  const quotes = facts.flatMap((fact) => quoteOf(fact, [{ source: 'page', text }])?.quote ?? []);
  const said = quotes.map((quote) => `<quote>${quote}</quote>`).join('\n');
  return `<think>I read it.</think>\n${said === '' ? '<nothing/>' : said}`;
}

/** How the loop's own words begin; the spec takes them from the loop. */
const words = {
  reading: 'You read one page',
  order: 'The work ends here',
  outputOrder: 'The answer stands.',
  repairNotice: 'Your answer was checked',
  outputNotice: 'That cannot be used',
} as const;

/** Stands in each reply that looks something up, so that the next one knows where it is, whatever was left out before. */
const place = /^<think>Look-up (\d+) of \d+\./;

function momentOf({ body }: RecordedRequest, { lookUps }: ResearchPlan): Pick<Moment, 'doing' | 'step'> {
  const said = body.messages.filter(({ role }) => role === 'assistant').map(({ content }) => place.exec(content)?.[1]);
  const step = Number(said.findLast((number) => number !== undefined) ?? 0);
  const last = body.messages.at(-1)?.content ?? '';
  if (last.startsWith(words.outputOrder)) return { doing: 'output', step };
  if (last.startsWith(words.order)) return { doing: isTold(body, words.repairNotice) ? 'repair' : 'answer', step };
  return { doing: step < lookUps.length ? 'look-up' : 'answer', step };
}

/** Whether the loop said so since the last reply. */
function isTold({ messages }: RecordedRequest['body'], what: string): boolean {
  const replied = messages.findLastIndex(({ role }) => role === 'assistant');
  return messages.slice(replied + 1).some(({ content }) => content.startsWith(what));
}

interface Task {
  readonly plan: ResearchPlan;
  readonly request: RecordedRequest;
}

function textFor(doing: Moment['doing'], step: number, { plan, request }: Task): string {
  const passages = passagesIn(request);
  switch (doing) {
    case 'look-up':
      return callsOf(plan.lookUps, step);
    case 'answer':
    case 'repair':
      return thinkAndAnswer(plan.facts.map((fact) => sentenceOf(fact, passages, doing)).join('\n\n'));
    case 'output': {
      const misfit =
        plan.misfit === 'always' || (plan.misfit === 'at first' && !isTold(request.body, words.outputNotice));
      return thinkAndAnswer(outputOf(plan.facts, passages, misfit));
    }
  }
}

function callsOf(lookUps: ResearchPlan['lookUps'], step: number): string {
  const calls = [lookUps[step] ?? []].flat().map((lookUp) => {
    const call =
      'search' in lookUp
        ? { name: 'search', arguments: { query: lookUp.search } }
        : { name: 'visit', arguments: { url: lookUp.visit, goal: lookUp.goal } };
    return `<tool_call>\n${JSON.stringify(call)}\n</tool_call>`;
  });
  return [`<think>Look-up ${step + 1} of ${lookUps.length}.</think>`, ...calls].join('\n');
}

/** Verbatim text of a source, as a prompt shows it. */
interface ShownPassage {
  readonly source: string;
  readonly text: string;
}

const passage = /<passage source="(s\d+)">\n(?:(?:title|uri|section): .*\n)*text:\n([\s\S]*?)\n<\/passage>/g;

/** What tools found and what a digest kept; not what the question says. */
function passagesIn({ body }: RecordedRequest): ShownPassage[] {
  const told = body.messages.filter(({ role }) => role === 'user').slice(1);
  return told.flatMap(({ content }) =>
    [...content.matchAll(passage)].map(([, source = '', text = '']) => ({ source, text })),
  );
}

interface Quote {
  readonly source: string;
  readonly quote: string;
}

function quoteOf({ proof }: Fact, passages: readonly ShownPassage[]): Quote | null {
  for (const { source, text } of passages) {
    const quote = typeof proof === 'string' ? (text.includes(proof) ? proof : undefined) : text.match(proof)?.[0];
    if (quote !== undefined) return { source, quote };
  }
  return null;
}

function sentenceOf(fact: Fact, passages: readonly ShownPassage[], doing: 'answer' | 'repair'): string {
  const found = quoteOf(fact, passages);
  if (found === null) return `Not found: ${fact.says}`;
  const wrong = fact.misquoted === 'always' || (fact.misquoted === 'at first' && doing === 'answer');
  const quote = wrong ? `${found.quote}, or so they say` : found.quote;
  return `${fact.says} <cite source="${found.source}">${quote}</cite>`;
}

/** A field whose fact was not found is left out. */
function outputOf(facts: readonly Fact[], passages: readonly ShownPassage[], misfit: boolean): string {
  const output: Record<string, unknown> = {};
  const citations: Record<string, readonly Quote[]> = {};
  for (const fact of facts) {
    const found = quoteOf(fact, passages);
    if (fact.field === undefined || found === null) continue;
    const { name, read = (quote) => quote } = fact.field;
    output[name] = misfit ? null : read(found.quote);
    citations[`/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`] = [found];
  }
  return JSON.stringify({ output, citations });
}
