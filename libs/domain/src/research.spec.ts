import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  answered,
  asked,
  limitsOf,
  observationOf,
  placed,
  replyOf,
  requestOf,
  searchOf,
  usageOfCall,
} from '../../../test/support/research.ts';
import type { AnswerPart } from './conversation.ts';
import {
  advance,
  begin,
  type Command,
  ProtocolViolation,
  type ResearchEvent,
  type ResearchState,
  replay,
} from './research.ts';

const limits = limitsOf();
const request = requestOf();
const part: AnswerPart = { text: 'Because of time.', claim: true, citations: [] };
const returned = (...texts: readonly string[]): ResearchEvent => ({
  kind: 'tools-returned',
  outcomes: texts.map((text) => ({ call: searchOf(text), observation: observationOf(text) })),
});
const limitReached: ResearchEvent = { kind: 'limit-reached', reason: 'max_seconds' };
const modelFailed: ResearchEvent = { kind: 'model-failed', message: 'the server is gone' };
const cancelled: ResearchEvent = { kind: 'cancelled' };

const thinking = begin(request)[0];
const acting = advance(thinking, asked(searchOf('a'), searchOf('b')), limits)[0];
const concluding = advance(thinking, answered(part), limits)[0];

describe('begin', () => {
  it('asks the model the question, with the pages that the user named', () => {
    const sources = { ...request.sources, urls: ['https://example.org/'] };
    const [state, command] = begin(requestOf({ sources }));
    expect(command).toEqual({ kind: 'ask-model' });
    expect(state).toMatchObject({ phase: 'thinking', step: 0 });
    expect(state.turns).toEqual([{ role: 'question', text: request.question, urls: ['https://example.org/'] }]);
  });
});

describe('a model reply', () => {
  it('with calls has them made, each placed by reply and order', () => {
    const [state, command] = advance(thinking, asked(searchOf('a'), searchOf('b')), limits);
    const calls = [placed(searchOf('a'), 0, 0), placed(searchOf('b'), 0, 1)];
    expect(command).toEqual({ kind: 'call-tools', calls });
    expect(state).toMatchObject({ phase: 'acting', step: 1, calls });
  });

  it('with an answer ends the run as completed', () => {
    const [state, command] = advance(thinking, answered(part), limits);
    expect(command).toEqual({ kind: 'conclude', draft: [part], ending: { status: 'completed' } });
    expect(state.phase).toBe('concluding');
  });

  it('with an answer that a limit forced ends the run as incomplete, with that answer', () => {
    const [, command] = advance(thinking, { ...answered(part), forced: 'max_tokens' }, limits);
    const ending = { status: 'incomplete', reason: 'max_tokens' };
    expect(command).toEqual({ kind: 'conclude', draft: [part], ending });
  });

  it('prefers the answer to calls in the same reply', () => {
    const reply = replyOf({ calls: [searchOf('a')], answer: [part] });
    expect(advance(thinking, { kind: 'model-replied', reply, forced: null }, limits)[1].kind).toBe('conclude');
  });

  it('that was to be the last and still asks for tools ends the run with the evidence', () => {
    const [found] = advance(advance(thinking, asked(searchOf('a')), limits)[0], returned('a'), limits);
    const [, command] = advance(found, { ...asked(searchOf('b')), forced: 'max_steps' }, limits);
    expect(command).toMatchObject({ kind: 'conclude', ending: { status: 'incomplete', reason: 'max_steps' } });
    expect(command).toMatchObject({ draft: [{ claim: false }, { text: 'a', claim: true }] });
  });

  it('that cannot be used is told its problem word for word and may try again', () => {
    const reply = replyOf({ text: '<tool_call>{', problem: 'The JSON ends early.' });
    const [state, command] = advance(thinking, { kind: 'model-replied', reply, forced: null }, limits);
    expect(command).toEqual({ kind: 'ask-model' });
    expect(state.turns.at(-1)).toEqual({ role: 'notice', text: 'The JSON ends early.' });
  });

  it('that holds nothing at all is told so', () => {
    const [state] = advance(thinking, { kind: 'model-replied', reply: replyOf(), forced: null }, limits);
    expect(state.turns.at(-1)).toMatchObject({ role: 'notice', text: expect.stringContaining('neither') });
  });

  it('is spent whatever it brought', () => {
    const prices = { promptUsd: 2, cachedUsd: 1, completionUsd: 10 };
    const usage = usageOfCall({ promptTokens: 100, cachedTokens: 40, completionTokens: 7 });
    const event: ResearchEvent = { kind: 'model-replied', reply: replyOf({ usage }), forced: null };
    const [{ spent }] = advance(thinking, event, limitsOf({ prices }));
    expect(spent).toMatchObject({ modelCalls: 1, promptTokens: 100, cachedTokens: 40, completionTokens: 7 });
    expect(spent.usd).toBeCloseTo((60 * 2 + 40 * 1 + 7 * 10) / 1e6, 15);
  });
});

describe('returned tools', () => {
  it('are shown to the model, and counted', () => {
    const [state, command] = advance(acting, returned('a', 'b'), limits);
    expect(command).toEqual({ kind: 'ask-model' });
    expect(state).toMatchObject({ phase: 'thinking', step: 1, spent: { modelCalls: 1, toolCalls: 2 } });
    expect(state.turns.at(-1)).toMatchObject({ role: 'tools', results: [{ call: searchOf('a') }, {}] });
  });

  it('must answer every call that was made', () => {
    expect(() => advance(acting, returned('a'), limits)).toThrow(ProtocolViolation);
    expect(() => advance(acting, returned('a', 'b', 'c'), limits)).toThrow(ProtocolViolation);
  });
});

describe('an early end', () => {
  it.each([
    [limitReached, { status: 'incomplete', reason: 'max_seconds' }],
    [modelFailed, { status: 'failed', message: 'the server is gone' }],
    [cancelled, { status: 'cancelled' }],
  ] as const)('by %j still reports the evidence', (event, ending) => {
    const [found] = advance(acting, returned('a', 'b'), limits);
    const [state, command] = advance(found, event, limits);
    expect(command).toMatchObject({ kind: 'conclude', ending, draft: [{}, { text: 'b' }, { text: 'a' }] });
    expect(state).toMatchObject({ phase: 'concluding', ending, step: found.step, spent: found.spent });
  });

  it('may come while tools are at work', () => {
    for (const event of [limitReached, cancelled]) expect(advance(acting, event, limits)[1].kind).toBe('conclude');
  });
});

describe('an event in the wrong phase', () => {
  const reply = answered(part);
  it.each<[ResearchState['phase'], ResearchState, readonly ResearchEvent[]]>([
    ['thinking', thinking, [returned('a')]],
    ['acting', acting, [reply, modelFailed]],
    ['concluding', concluding, [reply, returned('a'), limitReached, modelFailed, cancelled]],
  ])('is refused while %s', (_phase, state, events) => {
    for (const event of events) expect(() => advance(state, event, limits)).toThrow(ProtocolViolation);
  });
});

/** Any event that can follow, by two random numbers. */
function following(command: Command, choice: number, count: number): ResearchEvent {
  if (command.kind === 'call-tools' && choice > 1) return returned(...command.calls.map((_, i) => `${choice}-${i}`));
  if (choice === 0) return cancelled;
  if (choice === 1) return limitReached;
  if (choice === 2) return modelFailed;
  if (choice < 5) return { kind: 'model-replied', reply: replyOf({ problem: `no ${choice}` }), forced: null };
  if (choice < 7) return { ...answered(part), forced: choice === 5 ? 'context' : null };
  return asked(...Array.from({ length: 1 + (count % 3) }, (_, i) => searchOf(`${choice} ${i}`)));
}

describe('replay', () => {
  const choices = fc.array(fc.tuple(fc.nat(12), fc.nat(5)), { maxLength: 25 });

  it('of any prefix of a log stands where stepping stood, with the same command', () => {
    fc.assert(
      fc.property(choices, (pairs) => {
        const log: ResearchEvent[] = [];
        let stepped = begin(request);
        for (const [choice, count] of pairs) {
          expect(replay(request, log)).toEqual(stepped);
          if (stepped[1].kind === 'conclude') break;
          const event = following(stepped[1], choice, count);
          stepped = advance(stepped[0], event, request.limits);
          log.push(event);
        }
        expect(replay(request, log)).toEqual(stepped);
      }),
    );
  });

  it('survives the way through JSON', () => {
    const log = [asked(searchOf('a')), returned('a'), { ...answered(part), forced: 'context' as const }];
    const stored = JSON.parse(JSON.stringify({ request, log }));
    expect(replay(stored.request, stored.log)).toEqual(replay(request, log));
  });

  it('never changes the past: each state begins with the turns of the one before', () => {
    fc.assert(
      fc.property(choices, (pairs) => {
        let [state, command] = begin(request);
        for (const [choice, count] of pairs) {
          if (command.kind === 'conclude') return;
          const before = state.turns;
          [state, command] = advance(state, following(command, choice, count), request.limits);
          expect(state.turns.slice(0, before.length)).toEqual(before);
        }
      }),
    );
  });
});
