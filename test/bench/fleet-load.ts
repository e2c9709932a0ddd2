import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { ModelReply, PlacedCall, ToolOutcome } from '#domain';
import type { ChatModel, ChatRequest } from '#model';
import type { Acceptance, Claim, Runs } from '#runs';

/**
 * What a run is like: so many steps, each after some time, of which the last is its answer. Of three steps one thinks,
 * one calls a tool and one is what the tool says: replies without a call in a row would end the research.
 */
export interface Pace {
  readonly steps: number;
  readonly stepMs: number;
}

/** What a worker process is to do; travels to it as JSON. */
export interface WorkerOrder {
  /**
   * `record`: everything as in service. `queue`: runs come through BullMQ and are recorded nowhere. `memory`: neither
   * servers nor queue, only the loop that drives the runs.
   */
  readonly sink: 'record' | 'queue' | 'memory';
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly workerId: string;
  readonly concurrency: number;
  /** For the controls: how many, and their pace. */
  readonly runs: number;
  readonly pace: Pace;
  /** After so many replies of models the worker collects its garbage and says what is left; 0: never. */
  readonly weighAfter: number;
}

/** What a worker process says when it has ended. */
export interface WorkerFigures {
  /** When the last run of a control ended, epoch milliseconds; else 0. */
  readonly endedAt: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  readonly commitP50Ms: number;
  readonly commitP99Ms: number;
  /** Largest growth of the resident set since the worker was ready, garbage and warm-up included. */
  readonly rssGrowthBytes: number;
  readonly cpuSeconds: number;
  readonly weighed: Weighed | null;
}

/** Growth of the heap and of what it holds outside, garbage collected, and the characters of replies among it. */
export interface Weighed {
  readonly bytes: number;
  readonly contextBytes: number;
  readonly runs: number;
}

/** Characters of one reply, about the tokens of a short thought. */
const replyCharacters = 250;

export const modelName = 'simulated';

const paceOf = (question: string): Pace => JSON.parse(question) as Pace;

/** @param onReply told of each reply before it is given, and whether it is the first or the last of its run */
export function simulatedModel(
  onReply: (reply: { readonly first: boolean; readonly last: boolean }) => void = () => undefined,
): ChatModel {
  const usage = { promptTokens: 1000, cachedTokens: 900, completionTokens: 60 };
  const reply = async ({ turns: [question, ...turns], session }: ChatRequest, signal: AbortSignal) => {
    const { steps, stepMs } = paceOf(question?.role === 'question' ? question.text : '');
    if (stepMs > 0) await pause(stepMs, undefined, { signal });
    const number = turns.reduce((count, { role }) => count + (role === 'model' || role === 'tools' ? 1 : 0), 1);
    // Joined by `repeat` it would share its memory with other replies, which a real one does not.
    const text = Buffer.alloc(replyCharacters, `${session} thinks for the ${number}. time. `).toString('latin1');
    const last = number >= steps;
    onReply({ first: number === 1, last });
    const common: ModelReply = { text, calls: [], usage };
    if (last) return { ...common, answer: [{ text: 'Because.', claim: false, citations: [] }] };
    // New words each time: who asks the same again goes in circles.
    if (number % 3 === 2) return { ...common, calls: [{ tool: 'look', args: { what: `part ${number}` } }] };
    return { ...common, problem: 'Go on.' };
  };
  return {
    name: modelName,
    profile: 'tongyi-v1',
    contextTokens: 128_000,
    countPrompt: async () => ({ tokens: 1000, basis: 'estimate' }),
    reply,
  };
}

/** Model replies of a run of so many steps. */
export function repliesOf(steps: number): number {
  return steps - Math.floor((steps - 1) / 3);
}

/** Runs whose tool calls are answered in this process, each with a passage that was not seen before. */
export function withSimulatedTools(runs: Runs): Runs {
  const callTools = async (
    { request }: Claim,
    calls: readonly PlacedCall[],
    signal: AbortSignal,
  ): Promise<ToolOutcome[]> => {
    const { stepMs } = paceOf(request.question);
    if (stepMs > 0) await pause(stepMs, undefined, { signal });
    return calls.map(outcomeOf);
  };
  return withMethods(runs, { callTools });
}

function outcomeOf({ tool, args, step }: PlacedCall): ToolOutcome {
  const sha256 = '0'.repeat(64);
  const passages = [{ sha256, start: step, end: step + 7, text: 'A text.', headings: [], score: 1 }];
  const source = { uri: 'corpus:bench/a.md', title: 'A', sha256, bytes: 1000, fetchedAt: '2026-01-31T00:00:00Z' };
  return {
    call: { tool, args },
    observation: { sections: [{ label: String(args['what']), passages }], sources: [source] },
  };
}

/** The same runs, but for some methods. */
export function withMethods(runs: Runs, methods: object): Runs {
  return new Proxy(runs, {
    get(target, name) {
      const value: unknown = Reflect.get(name in methods ? methods : target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Bytes that the replies of a run hold in memory, and nothing else does. */
export function contextBytes(replies: number): number {
  return replies * replyCharacters;
}

/** A run that no limit ends; its question tells the simulated model its pace. */
export function acceptanceOf(number: number, pace: Pace, model = modelName): Acceptance {
  return {
    tenantId: `tenant-${number % 20}`,
    runId: `run_${randomUUID()}`,
    requestSha256: '0'.repeat(64),
    request: {
      question: JSON.stringify(pace),
      mode: 'react',
      model,
      profile: 'tongyi-v1',
      degraded: [],
      sources: { corpora: [], web: false, urls: [], providers: [], allowDomains: [], denyDomains: [] },
      limits: {
        budget: { steps: 1_000_000 },
        contextTokens: null,
        replyTokens: 1000,
        answerTokens: 1000,
        observationTokens: 1000,
        answerSeconds: 0,
        prices: null,
      },
      today: '2026-01-31',
      metadata: {},
    },
  };
}

/** Accepts runs of twenty tenants, all at once. */
export async function acceptMany(
  { runs }: { readonly runs: Runs },
  count: number,
  pace: Pace,
  model = modelName,
): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async (_, number) => await runs.accept(acceptanceOf(number, pace, model))),
  );
}
