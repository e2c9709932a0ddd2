import {
  advance,
  announce,
  type Limits,
  nextCall,
  type Observation,
  orderOf,
  type ResearchEvent,
  type ResearchState,
  replay,
  shownTurns,
  type Turn,
} from '#domain';
import { type ChatRequest, OutputParser, tongyiV1 } from '#model';
import { limitsOf, requestOf, usageOfCall } from '../support/research.ts';
import { percentile, type Row, round } from './result.ts';

const strings = { type: 'array', items: { type: 'string' } };
const tools = [
  {
    name: 'search',
    description: 'Searches.',
    parameters: { type: 'object', properties: { query: strings }, required: ['query'] },
  },
  {
    name: 'visit',
    description: 'Reads.',
    parameters: { type: 'object', properties: { url: strings, goal: { type: 'string' } } },
  },
];

export function chatOf(turns: readonly Turn[], mustAnswer = false): ChatRequest {
  return { turns, tools, today: '2026-11-23', mustAnswer, maxCompletionTokens: 10_000, session: 'bench' };
}

const charactersPerToken = 4;
const stepTokens = 1_000;
const steps = 100;
const runs = 10;
const large = { budget: { steps: 1_000 }, replyTokens: 1_000, observationTokens: 4_000 };

/**
 * Runs of 100 steps of 1,000 tokens, as a driver lives them: parse the reply, decide, announce, take the results in,
 * decide on the next call, render its prompt. No I/O, and sizes estimated rather than counted.
 */
export function stepRows(): Row[] {
  const times = new Map<string, number[]>();
  const takeovers: number[] = [];
  for (let run = 0; run < runs; run++) {
    const life = new Life(run, limitsOf(large));
    for (let step = 0; step < steps; step++) {
      const tens = Math.floor(step / 10) * 10;
      const history = `${tens === 0 ? 0 : `${tens}K`} to ${tens + 10}K tokens`;
      times.set(history, [...(times.get(history) ?? []), life.step(step)]);
    }
    takeovers.push(life.takeover());
  }
  const compactions = Array.from({ length: runs }, (_, run) => compaction(run));
  const shown = [...times].filter(([history]) => /^(0|40K|90K) /.test(history));
  return [
    ...shown.map(([history, ms]) => ({ what: 'loop, a step', history, ...quantiles(ms), target_p95_ms: 5 })),
    { what: 'loop, a run taken over by another worker', history: '100K tokens', ...quantiles(takeovers) },
    { what: 'loop, a context compacted and rendered anew', history: '100K tokens', ...quantiles(compactions) },
  ];
}

/** How long it takes to make room in a context of 100K tokens. */
function compaction(run: number): number {
  const limits = limitsOf({ ...large, contextTokens: 100_000, answerTokens: 4_000 });
  const life = new Life(run, limits);
  for (let step = 0; ; step++) {
    const ms = life.step(step);
    if (life.compacted) return ms;
  }
}

class Life {
  readonly #run: number;
  readonly #limits: Limits;
  readonly #log: ResearchEvent[] = [];
  #state: ResearchState;
  compacted = false;

  constructor(run: number, limits: Limits) {
    this.#run = run;
    this.#limits = limits;
    [this.#state] = replay(requestOf({ question: `Question ${run}?`, limits }), []);
  }

  /** @returns milliseconds of the loop's own work */
  step(step: number): number {
    const { text, observation } = stepOf(this.#run, step);
    const startedAt = performance.now();
    const parser = new OutputParser(tongyiV1.stop);
    for (let at = 0; at < text.length; at += 4) parser.push(text.slice(at, at + 4));
    const chat = chatOf(shownTurns(this.#state.turns, this.#state.context));
    const reply = tongyiV1.read({ output: parser.end(), calls: [], finish: 'stop' }, chat);
    this.#happen({ kind: 'model-replied', reply: { ...reply, usage: usageOfCall() }, forced: null });
    this.#happen({ kind: 'tools-returned', outcomes: reply.calls.map((call) => ({ call, observation })) });
    this.#prompt();
    return performance.now() - startedAt;
  }

  /** @returns milliseconds from the stored log to the next prompt */
  takeover(): number {
    const log = structuredClone(this.#log);
    const startedAt = performance.now();
    [this.#state] = replay(requestOf({ limits: this.#limits }), log);
    this.#prompt();
    return performance.now() - startedAt;
  }

  #happen(event: ResearchEvent): void {
    const [state, command] = advance(this.#state, event, this.#limits);
    announce(event, state, command);
    this.#state = state;
    this.#log.push(event);
  }

  #prompt(): void {
    const state = this.#state;
    if (state.phase !== 'thinking') throw new Error(`a prompt while ${state.phase}`);
    const turns = shownTurns(state.turns, state.context);
    const { weight } = tongyiV1.render(chatOf(turns, true));
    const next = nextCall(state, Math.ceil(weight), 0, this.#limits);
    if (next.kind === 'ask') {
      tongyiV1.render(chatOf(turns, orderOf(state, next.forced !== null) !== null));
      return;
    }
    this.#happen(next.event);
    this.compacted = true;
    this.#prompt();
  }
}

function quantiles(ms: readonly number[]) {
  return { p50_ms: round(percentile(ms, 0.5), 3), p95_ms: round(percentile(ms, 0.95), 3) };
}

function stepOf(run: number, step: number): { text: string; observation: Observation } {
  const call = { name: 'search', arguments: { query: [`${prose(30, step)} ${step}`] } };
  const text = `<think>\n${prose(1_200, step)}\n</think>\n<tool_call>\n${JSON.stringify(call)}\n</tool_call>`;
  const sha256 = `${run}-${step}`;
  const found = prose(stepTokens * charactersPerToken - text.length, step + 1);
  const passages = [0, 1, 2, 3].map((part) => {
    const [start = 0, end = 0] = [(found.length / 4) * part, (found.length / 4) * (part + 1)].map(Math.floor);
    return { sha256, start, end, text: found.slice(start, end), headings: ['A', 'B'], score: part };
  });
  const uri = `https://example.org/${sha256}`;
  const source = { uri, title: 'A page', sha256, bytes: 1, fetchedAt: '2026-11-23T00:00:00Z' };
  return { text, observation: { sections: [{ label: `query ${step}`, passages }], sources: [source] } };
}

/** Words that do not repeat, a sentence of them now and then. */
export function prose(characters: number, seed: number): string {
  const words: string[] = [];
  for (let i = 0, length = 0; length < characters; i++) {
    const word = `${((seed + 1) * 7919 * (i + 1)) % 99_991}ships${i % 12 === 11 ? '.' : ''}`;
    words.push(word);
    length += word.length + 1;
  }
  return words.join(' ').slice(0, characters);
}
