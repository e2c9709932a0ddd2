import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  answered,
  asked,
  hitsOf,
  limitsOf,
  observationOf,
  placed,
  replyOf,
  requestOf,
  searchOf,
  usageOfCall,
} from '../../../test/support/research.ts';
import type { AnswerPart } from './conversation.ts';
import { lateOutcome } from './late.ts';
import type { Observation } from './observation.ts';
import { advance, begin, replay } from './research.ts';
import { type Command, ProtocolViolation, type ResearchEvent, type ResearchState } from './run-state.ts';

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
const checking = advance(thinking, answered(part), limits)[0];
const proven: ResearchEvent = { kind: 'answer-checked', supported: 1, faults: [] };
const concluding = advance(checking, proven, limits)[0];
const ask = { kind: 'ask-model', aim: { kind: 'research' } };

describe('begin', () => {
  it('asks the model the question, with the pages that the user named', () => {
    const sources = { ...request.sources, urls: ['https://example.org/'] };
    const [state, command] = begin(requestOf({ sources }));
    expect(command).toEqual(ask);
    expect(state).toMatchObject({ phase: 'thinking', step: 0 });
    expect(state.turns).toEqual([{ role: 'question', text: request.question, urls: ['https://example.org/'] }]);
  });

  it('shows the model what goes before the question above it', () => {
    const [state] = begin(requestOf({ preface: 'Answer in Dutch.' }));
    expect(state.turns).toMatchObject([{ role: 'question', text: `Answer in Dutch.\n\n${request.question}` }]);
  });
});

describe('a model reply', () => {
  it('with calls has them made, each placed by reply and order', () => {
    const [state, command] = advance(thinking, asked(searchOf('a'), searchOf('b')), limits);
    const calls = [placed(searchOf('a'), 0, 0), placed(searchOf('b'), 0, 1)];
    expect(command).toEqual({ kind: 'call-tools', calls });
    expect(state).toMatchObject({ phase: 'acting', step: 1, calls });
  });

  it('with an answer has it checked, and ends the run as completed when all is proven', () => {
    const [state, command] = advance(thinking, answered(part), limits);
    expect(command).toEqual({
      kind: 'check',
      draft: { kind: 'answer', draft: [part], ending: { status: 'completed' } },
    });
    const [after, last] = advance(state, proven, limits);
    const nothing = { output: null, outputFaults: [] };
    expect(last).toEqual({ kind: 'conclude', draft: [part], ending: { status: 'completed' }, ...nothing });
    expect(after.phase).toBe('concluding');
  });

  it('with an answer that a limit forced ends the run as incomplete, with that answer', () => {
    const [state] = advance(thinking, { ...answered(part), forced: 'max_tokens' }, limits);
    const [, command] = advance(state, proven, limits);
    const ending = { status: 'incomplete', reason: 'max_tokens' };
    expect(command).toMatchObject({ kind: 'conclude', draft: [part], ending });
  });

  it('prefers the answer to calls in the same reply', () => {
    const reply = replyOf({ calls: [searchOf('a')], answer: [part] });
    expect(advance(thinking, { kind: 'model-replied', reply, forced: null }, limits)[1].kind).toBe('check');
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
    expect(command).toEqual(ask);
    expect(state.turns.at(-1)).toEqual({ role: 'notice', text: 'The JSON ends early.' });
  });

  it('that holds nothing at all is told so', () => {
    const [state] = advance(thinking, { kind: 'model-replied', reply: replyOf(), forced: null }, limits);
    expect(state.turns.at(-1)).toMatchObject({ role: 'notice', text: expect.stringContaining('neither') });
  });

  it('that claims nothing ends the run as failed where all that could be looked up failed, whatever searches named', () => {
    const url = 'https://a.example/';
    const fault = { kind: 'blocked' as const, message: 'Not from here.' };
    const visit = { tool: 'visit', args: { url } };
    const commandAfter = (...observations: readonly Observation[]) => {
      const outcomes = observations.map((observation) => ({ call: visit, observation }));
      const calls = asked(...outcomes.map(({ call }) => call));
      const [heard] = advance(advance(thinking, calls, limits)[0], { kind: 'tools-returned', outcomes }, limits);
      return advance(heard, answered({ ...part, claim: false }), limits)[1];
    };
    const named = hitsOf('locks', url);
    const unread = { sections: [{ label: url, passages: [], fault }], sources: [] };
    expect(commandAfter(named, unread)).toMatchObject({
      kind: 'conclude',
      ending: { status: 'failed', message: `Nothing could be read. ${url}: Not from here.` },
    });
    expect(commandAfter(named, unread, observationOf('A page.'))).toMatchObject({ kind: 'check' });
    expect(commandAfter(named)).toMatchObject({ kind: 'check' });
  });

  it('is spent whatever it brought', () => {
    const prices = { promptUsd: 2, cachedUsd: 1, completionUsd: 10 };
    const usage = usageOfCall({ promptTokens: 100, cachedTokens: 40, completionTokens: 7 });
    const event: ResearchEvent = { kind: 'model-replied', reply: replyOf({ usage }), forced: null };
    const [{ spent }] = advance(thinking, event, limitsOf({ prices }));
    expect(spent).toMatchObject({ modelCalls: 1, promptTokens: 100, cachedTokens: 40, completionTokens: 7 });
    expect(spent.nanoUsd).toBe((60 * 2 + 40 * 1 + 7 * 10) * 1000);
  });
});

describe('a budget of tool calls', () => {
  const two = limitsOf({ budget: { steps: 10, toolCalls: 2 } });

  it('leaves the calls beyond it unmade, and shows the model no call without a result', () => {
    const [state, command] = advance(thinking, asked(searchOf('a'), searchOf('b'), searchOf('c')), two);
    const made = [searchOf('a'), searchOf('b')];
    expect(command).toEqual({ kind: 'call-tools', calls: made.map((call, index) => placed(call, 0, index)) });
    expect(state.turns.at(-1)).toMatchObject({ role: 'model', calls: made });
  });

  it('counts those that were made before', () => {
    const [after] = advance(advance(thinking, asked(searchOf('a')), two)[0], returned('a'), two);
    const [, command] = advance(after, asked(searchOf('b'), searchOf('c')), two);
    expect(command).toMatchObject({ kind: 'call-tools', calls: [{ args: { query: 'b' } }] });
  });
});

describe('returned tools', () => {
  it('are shown to the model, and counted', () => {
    const [state, command] = advance(acting, returned('a', 'b'), limits);
    expect(command).toEqual(ask);
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
    expect(state).toMatchObject({ phase: 'concluding', conclusion: { ending }, step: found.step, spent: found.spent });
  });

  it('may come while tools are at work', () => {
    for (const event of [limitReached, cancelled]) expect(advance(acting, event, limits)[1].kind).toBe('conclude');
  });
});

describe('an event in the wrong phase', () => {
  const reply = answered(part);
  it.each<[ResearchState['phase'], ResearchState, readonly ResearchEvent[]]>([
    ['thinking', thinking, [returned('a')]],
    ['acting', acting, [reply, modelFailed, proven]],
    ['checking', checking, [reply, returned('a'), modelFailed, { kind: 'output-checked', faults: [] }]],
    ['concluding', concluding, [reply, returned('a'), limitReached, modelFailed, cancelled]],
  ])('is refused while %s', (_phase, state, events) => {
    for (const event of events) expect(() => advance(state, event, limits)).toThrow(ProtocolViolation);
  });
});

function checkedWith(faulty: boolean): ResearchEvent {
  const faults = faulty ? [{ text: 'So it is.', reason: 'it cites nothing.' }] : [];
  return { kind: 'answer-checked', supported: 1, faults };
}

/** Any event that can follow, by two random numbers. */
function following(command: Command, choice: number, count: number): ResearchEvent {
  if (command.kind === 'call-tools' && choice > 1) return returned(...command.calls.map((_, i) => `${choice}-${i}`));
  if (command.kind === 'check') return count === 0 ? cancelled : checkedWith(count > 3);
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

const unproven: ResearchEvent = {
  kind: 'answer-checked',
  supported: 1,
  faults: [{ text: 'It never ends.', reason: 'the quote "never" does not stand in s1.' }],
};
const replied = (changes: Parameters<typeof replyOf>[0], forced: null | 'max_tokens' = null): ResearchEvent => {
  return { kind: 'model-replied', reply: replyOf(changes), forced };
};
const fold = (events: readonly ResearchEvent[], from = request) => replay({ ...from, limits }, events);
const draftOf = (text: string): AnswerPart => ({ text, claim: true, citations: [] });

describe('an answer without all its proofs', () => {
  it('is asked for once more, with each fault named, and no tool may be called', () => {
    const [state, command] = fold([answered(part), unproven]);
    expect(command).toEqual({ kind: 'ask-model', aim: { kind: 'repair' } });
    expect(state.turns.at(-1)).toMatchObject({
      role: 'notice',
      text: expect.stringContaining('"It never ends.": the'),
    });
  });

  it('takes the repaired answer where it proves no less', () => {
    const repaired = draftOf('mended');
    const [, command] = fold([answered(part), unproven, answered(repaired), proven]);
    expect(command).toMatchObject({ kind: 'conclude', draft: [repaired], ending: { status: 'completed' } });
  });

  it('keeps the first answer where the repair proves less', () => {
    const worse: ResearchEvent = { kind: 'answer-checked', supported: 0, faults: [] };
    const [, command] = fold([answered(part), unproven, answered(draftOf('nothing')), worse]);
    expect(command).toMatchObject({ kind: 'conclude', draft: [part] });
  });

  it.each<[string, ResearchEvent, string]>([
    ['a reply without an answer', replied({ problem: 'no' }), 'completed'],
    ['a call', asked(searchOf('a')), 'completed'],
    ['a limit', limitReached, 'completed'],
    ['a model that fails', modelFailed, 'completed'],
    ['a cancel', cancelled, 'cancelled'],
  ])('stands when the repair comes to nothing by %s', (_what, event, status) => {
    const [, command] = fold([answered(part), unproven, event]);
    expect(command).toMatchObject({ kind: 'conclude', draft: [part], ending: { status } });
  });

  it('is repaired once and no more', () => {
    expect(fold([answered(part), unproven, answered(part), unproven])[1].kind).toBe('conclude');
  });

  it('that a limit forced stays incomplete when it is mended', () => {
    const events = [{ ...answered(part), forced: 'max_tokens' as const }, unproven, answered(part), proven];
    expect(fold(events)[1]).toMatchObject({ ending: { status: 'incomplete', reason: 'max_tokens' } });
  });
});

describe('an output schema', () => {
  const withSchema = requestOf({ outputSchema: { type: 'object' } });
  const output = { value: { year: 1911 }, citations: {} };
  const misfit: ResearchEvent = { kind: 'output-checked', faults: ['"/year" must be string'] };
  const given = replied({ output });
  const answer = [answered(part), proven];

  it('is filled when the answer stands', () => {
    expect(fold(answer, withSchema)[1]).toEqual({ kind: 'ask-model', aim: { kind: 'output' } });
    expect(fold([...answer, given], withSchema)[1]).toEqual({ kind: 'check', draft: { kind: 'output', output } });
    const [, command] = fold([...answer, given, { kind: 'output-checked', faults: [] }], withSchema);
    expect(command).toMatchObject({ kind: 'conclude', draft: [part], output, outputFaults: [] });
  });

  it('gives two tries to mend, told what is wrong, then ends with the answer and the faults', () => {
    const [state, again] = fold([...answer, given, misfit], withSchema);
    expect(again).toEqual({ kind: 'ask-model', aim: { kind: 'output' } });
    expect(state.turns.at(-1)).toMatchObject({
      role: 'notice',
      text: expect.stringContaining('"/year" must be string'),
    });
    const thrice = [...answer, given, misfit, replied({ problem: 'It is no JSON.' }), given, misfit];
    expect(fold(thrice.slice(0, -2), withSchema)[1].kind).toBe('ask-model');
    expect(fold(thrice, withSchema)[1]).toMatchObject({
      kind: 'conclude',
      draft: [part],
      ending: { status: 'completed' },
      output: null,
      outputFaults: ['"/year" must be string'],
    });
  });

  it('says why there is none when the run ends before it', () => {
    const [, command] = fold([...answer, limitReached], withSchema);
    expect(command).toMatchObject({ ending: { status: 'completed' }, output: null });
    expect(command).toMatchObject({ outputFaults: [expect.stringContaining('max_seconds')] });
    expect(fold([...answer, modelFailed], withSchema)[1]).toMatchObject({ outputFaults: ['the server is gone'] });
    const early = { output: null, outputFaults: ['The run ended as cancelled before it.'] };
    expect(fold([cancelled], withSchema)[1]).toMatchObject(early);
  });

  it('asks in one more turn each time, so that every prompt begins with the one before', () => {
    const [state] = fold([...answer, given, misfit, given], withSchema);
    expect(state.turns.map(({ role }) => role)).toEqual([
      'question',
      'model',
      'order',
      'model',
      'notice',
      'order',
      'model',
    ]);
  });
});

describe('time that is nearly over', () => {
  it('demands the answer, and the run ends incomplete with it', () => {
    const near: ResearchEvent = { kind: 'limit-near', reason: 'max_seconds' };
    expect(fold([near])[1]).toEqual({ kind: 'ask-model', aim: { kind: 'answer', reason: 'max_seconds' } });
    const [, command] = fold([near, { ...answered(part), forced: 'max_seconds' }, proven]);
    expect(command).toMatchObject({ draft: [part], ending: { status: 'incomplete', reason: 'max_seconds' } });
  });

  it('shows the model which calls were not waited for', () => {
    const [state] = fold([
      asked(searchOf('a'), searchOf('b')),
      {
        kind: 'tools-returned',
        outcomes: [{ call: searchOf('a'), observation: observationOf('a') }, lateOutcome(searchOf('b'))],
      },
    ]);
    expect(state.turns.at(-1)).toMatchObject({
      results: [{ call: searchOf('a') }, { late: true, observation: { sections: [{ fault: { kind: 'transient' } }] } }],
    });
  });
});

describe('circles', () => {
  const same = [asked(searchOf('a')), returned('a')];
  const rounds = (count: number) => Array.from({ length: count }, () => same).flat();

  it('are pointed out behind the results, and broken off by the demand for an answer', () => {
    const [state, command] = fold(rounds(2));
    expect(state.turns.slice(-2).map(({ role }) => role)).toEqual(['tools', 'notice']);
    expect(command).toEqual(ask);
    expect(fold(rounds(5))[1]).toEqual({ kind: 'ask-model', aim: { kind: 'answer', reason: 'no_progress' } });
  });

  it('end as incomplete, with the answer that was demanded', () => {
    const forced: ResearchEvent = { ...answered(part), forced: 'no_progress' };
    const [, command] = fold([...rounds(5), forced, proven]);
    expect(command).toMatchObject({ draft: [part], ending: { status: 'incomplete', reason: 'no_progress' } });
  });

  it('of unusable replies end likewise, at the fourth', () => {
    const useless = replied({ problem: 'no' });
    expect(fold([useless, useless, useless])[1]).toEqual(ask);
    expect(fold([useless, useless, useless, useless])[1]).toMatchObject({ aim: { reason: 'no_progress' } });
  });
});

describe('calls of one reply', () => {
  it('beyond sixteen are refused as a whole', () => {
    const many = asked(...Array.from({ length: 17 }, (_, i) => searchOf(`q${i}`)));
    const [state, command] = advance(thinking, many, limits);
    expect(command).toEqual(ask);
    expect(state.turns.at(-1)).toMatchObject({ text: expect.stringContaining('at most 16') });
    // Servers refuse a prompt with a call that has no result.
    expect(state.turns.at(-2)).toMatchObject({ role: 'model', calls: [] });
  });

  it('are paid for, each at the price of its tool', () => {
    const priced = limitsOf({ toolUsd: { search: 0.25 } });
    const [state] = advance(acting, returned('a', 'b'), priced);
    expect(state.spent).toMatchObject({ toolCalls: 2, nanoUsd: 5e8, feesNanoUsd: 5e8 });
  });

  it('that would leave too little for the answer are not made, and the answer is demanded', () => {
    const prices = { promptUsd: 0, cachedUsd: 0, completionUsd: 1_000 };
    // An answer of 200 tokens costs 0.2, the reply of 5 tokens 0.005.
    const limitsWith = (usd: number) => limitsOf({ prices, toolUsd: { search: 0.1 }, budget: { steps: 9, usd } });
    const two = asked(searchOf('a'), searchOf('b'));
    expect(advance(thinking, two, limitsWith(0.41))[1].kind).toBe('call-tools');
    const [state, command] = advance(thinking, two, limitsWith(0.4));
    expect(command).toEqual({ kind: 'ask-model', aim: { kind: 'answer', reason: 'max_usd' } });
    expect(state.turns.at(-1)).toMatchObject({ text: expect.stringContaining('None of these calls was made') });
  });
});

describe('a compacted context', () => {
  it('goes on with what it aimed at, and loses nothing of the record', () => {
    const [state] = fold([asked(searchOf('a')), returned('a'), asked(searchOf('b')), returned('b')]);
    const event: ResearchEvent = { kind: 'context-compacted', promptTokens: 900, from: 3, kept: [] };
    const [compacted, command] = advance(state, event, limits);
    expect(command).toEqual(ask);
    expect(compacted.turns).toEqual(state.turns);
    expect(compacted.context).toMatchObject({ from: 3, digest: { role: 'digest', passages: [] } });
  });
});
