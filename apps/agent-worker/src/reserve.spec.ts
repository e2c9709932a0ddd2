import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  advance,
  type Command,
  type Limits,
  type ModelReply,
  nextCall,
  type Observation,
  orderOf,
  type PlacedCall,
  type ResearchEvent,
  type ResearchRequest,
  type ResearchState,
  replay,
  shownTurns,
} from '#domain';
import { type ChatRequest, tongyiV1 } from '#model';
import { limitsOf, requestOf } from '../../../test/support/research.ts';

/** Numbers in [0, 1), the same for the same seed. */
function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const tools = [{ name: 'search', description: 'Finds passages.', parameters: { type: 'object', properties: {} } }];
/** A world that gives the loop all that it can stand: as long as it may be, as much as it may be, in any order. */
class World {
  readonly #next: () => number;
  readonly #limits: Limits;
  /** The prompt of the last call: the next one begins with it, unless the context was compacted. */
  #before: readonly unknown[] = [];
  /** The largest prompt and reply of a call, together. */
  largestCall = 0;
  researchCalls = 0;
  answerCalls = 0;

  constructor(seed: number, limits: Limits) {
    this.#next = chance(seed);
    this.#limits = limits;
  }

  happen(state: ResearchState, command: Exclude<Command, { kind: 'conclude' }>): ResearchEvent {
    switch (command.kind) {
      case 'ask-model':
        return this.#ask(state);
      case 'call-tools':
        return { kind: 'tools-returned', outcomes: command.calls.map((call) => this.#find(call)) };
      case 'check': {
        if (command.draft.kind === 'output')
          return { kind: 'output-checked', faults: this.#next() < 0.5 ? ['no'] : [] };
        const faults = this.#next() < 0.5 ? [{ text: 'So it is. '.repeat(20), reason: 'it cites nothing.' }] : [];
        return { kind: 'answer-checked', supported: 1, faults };
      }
    }
  }

  #ask(state: ResearchState): ResearchEvent {
    if (state.phase !== 'thinking') throw new Error(`asked while ${state.phase}`);
    const largest = Math.ceil(tongyiV1.render(chatOf(state, true)).weight);
    const next = nextCall(state, largest, 0, this.#limits);
    if (next.kind === 'event') {
      if (next.event.kind === 'context-compacted') this.#before = [];
      return next.event;
    }
    const { forced, maxCompletionTokens } = next;
    const { messages, weight } = tongyiV1.render(chatOf(state, forced !== null));
    expect(messages.slice(0, this.#before.length)).toEqual(this.#before);
    this.#before = messages;
    const promptTokens = Math.ceil(weight);
    // Long replies are the likeliest: they are what breaks budgets.
    const completionTokens = Math.max(1, Math.floor(maxCompletionTokens * Math.min(1, this.#next() * 1.5)));
    this.largestCall = Math.max(this.largestCall, promptTokens + completionTokens);
    const ordered = orderOf(state, forced !== null) !== null;
    if (ordered) this.answerCalls += 1;
    else this.researchCalls += 1;
    const usage = { promptTokens, cachedTokens: 0, completionTokens };
    const text = 'x'.repeat(completionTokens * 4);
    return { kind: 'model-replied', reply: { text, usage, calls: [], ...this.#say(ordered) }, forced };
  }

  #say(ordered: boolean): Partial<ModelReply> {
    const kind = this.#next();
    if (ordered ? kind < 0.8 : kind < 0.05) {
      const answer = [{ text: 'So it is.', claim: true, citations: [] }];
      return { answer, output: { value: {}, citations: {} } };
    }
    if (kind < 0.15) return { problem: 'It was no use. '.repeat(10) };
    if (ordered) return {};
    const count = 1 + Math.floor(this.#next() * (kind < 0.2 ? 30 : 4));
    const query = () => `what of ${Math.floor(this.#next() * 500)}`;
    return { calls: Array.from({ length: count }, () => ({ tool: 'search', args: { query: query() } })) };
  }

  #find(call: PlacedCall): { call: PlacedCall; observation: Observation } {
    const sections = Array.from({ length: 1 + Math.floor(this.#next() * 3) }, () => this.#section());
    const sources = sections
      .flatMap(({ passages }) => passages)
      .map(({ sha256 }) => {
        return {
          uri: `https://example.org/${sha256}`,
          title: 'A page',
          sha256,
          bytes: 1,
          fetchedAt: '2026-11-23T00:00:00Z',
        };
      });
    return { call, observation: { sections, sources } };
  }

  #section(): Observation['sections'][number] {
    const label = `query ${Math.floor(this.#next() * 200)}`;
    if (this.#next() < 0.1)
      return { label, passages: [], fault: { kind: 'transient', message: 'The site did not answer.' } };
    const passages = Array.from({ length: Math.floor(this.#next() * 10) }, (_, rank) => {
      const text = `fact ${Math.floor(this.#next() * 1e6)} `.repeat(1 + Math.floor(this.#next() * 300)).trim();
      const sha256 = createHash('sha256').update(text).digest('hex');
      return { sha256, start: 0, end: text.length, text, headings: ['One', 'Two'], score: 1 / (1 + rank) };
    });
    return { label, passages };
  }
}

function chatOf(state: ResearchState, forced: boolean): ChatRequest {
  const order = state.phase === 'thinking' ? orderOf(state, forced) : null;
  const ordered = { mustAnswer: order !== null, ...(order?.schema ? { outputSchema: order.schema } : {}) };
  const turns = shownTurns(state.turns, state.context);
  return { turns, tools, today: '2026-11-23', ...ordered, maxCompletionTokens: 0, session: 's' };
}

function live(request: ResearchRequest, seed: number) {
  const { limits } = request;
  const world = new World(seed, limits);
  let [state, command] = replay(request, []);
  const log: ResearchEvent[] = [];
  while (command.kind !== 'conclude') {
    if (log.length > 2_000) throw new Error('the run does not end');
    const event = world.happen(state, command);
    [state, command] = advance(state, event, limits);
    log.push(event);
  }
  return { world, state, command, log };
}

const budgets = fc.record({
  seed: fc.nat(),
  steps: fc.integer({ min: 1, max: 60 }),
  tokens: fc.option(fc.integer({ min: 2_000, max: 400_000 }), { nil: undefined }),
  usd: fc.option(fc.double({ min: 0.01, max: 2, noNaN: true }), { nil: undefined }),
  contextTokens: fc.integer({ min: 6_000, max: 60_000 }),
  toolUsd: fc.option(fc.double({ min: 0, max: 0.02, noNaN: true }), { nil: undefined }),
  withSchema: fc.boolean(),
});
const prices = { promptUsd: 1, cachedUsd: 0.1, completionUsd: 4 };

/** As the gateway freezes them. */
function requestWith({ steps, tokens, usd, contextTokens, toolUsd, withSchema }: Sample): ResearchRequest {
  const room = Math.min(tokens ?? Number.POSITIVE_INFINITY, contextTokens);
  const limits = limitsOf({
    budget: { steps, ...(tokens === undefined ? {} : { tokens }), ...(usd === undefined ? {} : { usd }) },
    contextTokens,
    replyTokens: Math.floor(room / 8),
    answerTokens: Math.floor(room / 8),
    observationTokens: Math.floor(room / 6),
    prices,
    ...(toolUsd === undefined ? {} : { toolUsd: { search: toolUsd } }),
  });
  return requestOf({ limits, ...(withSchema ? { outputSchema: { type: 'object' } } : {}) });
}
type Sample = Omit<typeof budgets extends fc.Arbitrary<infer T> ? T : never, 'seed'>;

describe('a run in a world that spends all it can: 1,000 seeds', () => {
  it('never spends more than its budgets, never overfills its context, always has an answer called for, and ends', () => {
    fc.assert(
      fc.property(budgets, ({ seed, ...sample }) => {
        const request = requestWith(sample);
        const { world, state, command, log } = live(request, seed);
        const { tokens, usd, steps } = request.limits.budget;
        expect(state.spent.modelCalls).toBeLessThanOrEqual(steps);
        expect(state.spent.promptTokens + state.spent.completionTokens).toBeLessThanOrEqual(tokens ?? Infinity);
        expect(state.spent.nanoUsd / 1e9).toBeLessThanOrEqual((usd ?? Infinity) + 1e-6);
        expect(world.largestCall).toBeLessThanOrEqual(sample.contextTokens);
        // Once research was begun, its answer was always asked for: the reserve held.
        if (world.researchCalls > 0 && state.answered === null && steps > 1) {
          expect([world.answerCalls > 0, log.at(-1)?.kind]).toEqual([true, 'model-replied']);
        }
        if (command.kind !== 'conclude') throw new Error('no end');
        const found = state.turns.some(
          (turn) =>
            turn.role === 'tools' &&
            turn.results.some(({ observation }) => observation.sections.some(({ passages }) => passages.length > 0)),
        );
        if (found || state.answered !== null) expect(command.draft.length).toBeGreaterThan(0);
        expect(replay(request, log)[0]).toEqual(state);
      }),
      { numRuns: 1_000 },
    );
  });
});
