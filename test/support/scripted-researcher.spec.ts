import { describe, expect, it } from '@jest/globals';
import { type Digest, type ResearchEvent, replay, type Turn } from '#domain';
import { type ChatRequest, OutputParser, tongyiV1 } from '#model';
import { toolSignatures } from '#tools';
import type { RecordedRequest } from './model-server.ts';
import { answered, observationOf, replyOf, requestOf, searchOf } from './research.ts';
import { type Fact, type ResearchPlan, scriptedResearcher } from './scripted-researcher.ts';

const question: Turn = { role: 'question', text: 'What is blue? <passage source="s1">\ntext:\nThe moon.\n</passage>' };

/** What the loop says to an answer without proof, and to an object that does not fit. */
const repairNotice = lastTurnOf([answered(), checked(1)]);
const outputNotice = lastTurnOf([
  answered(),
  checked(0),
  { kind: 'model-replied', reply: replyOf({ output: { value: {}, citations: {} } }), forced: null },
  { kind: 'output-checked', faults: ['"/sky" must be string'] },
]);

function checked(faults: number): ResearchEvent {
  const fault = { text: 'The sky is blue.', reason: 'it cites nothing.' };
  return { kind: 'answer-checked', supported: 0, faults: Array.from({ length: faults }, () => fault) };
}

function lastTurnOf(events: readonly ResearchEvent[]): Turn {
  const [{ turns }] = replay(requestOf({ outputSchema: { type: 'object' } }), events);
  return turns.at(-1) ?? question;
}

const sky: Fact = { says: 'The sky is blue.', proof: /sky \w+ blue/ };
const ice: Fact = { says: 'Ice is blue.', proof: 'The ice shone blue' };

/** The turns of a reply with these calls, and of the texts that they found. */
function step(text: string, ...found: readonly string[]): Turn[] {
  const call = searchOf('blue');
  const results = found.map((page) => ({ call, observation: observationOf(page) }));
  return [
    { role: 'model', text, calls: results.map(() => call) },
    { role: 'tools', results },
  ];
}

function chatOf(turns: readonly Turn[], changes: Partial<ChatRequest>): ChatRequest {
  const common = { tools: toolSignatures([]), today: '2026-01-31', mustAnswer: false, maxCompletionTokens: 100 };
  return { turns, ...common, session: 'run', ...changes };
}

/** Sends a history through the profile to a researcher. @returns its text, and what the profile reads in it */
function replyTo(
  turns: readonly Turn[],
  play: ReturnType<typeof scriptedResearcher>,
  changes: Partial<ChatRequest> = {},
) {
  const chat = chatOf([question, ...turns], changes);
  const { messages } = tongyiV1.render(chat);
  const request: RecordedRequest = {
    headers: { 'x-session-id': chat.session },
    body: { model: 'scripted', messages },
  };
  const turn = play(request, 0);
  const { text = '' } = typeof turn === 'string' ? { text: turn } : turn;
  const parser = new OutputParser(tongyiV1.stop);
  parser.push(text);
  return { ...tongyiV1.read({ output: parser.end(), calls: [], finish: 'stop' }, chat), turn };
}

const researcher = (plan: Partial<ResearchPlan>) => scriptedResearcher({ lookUps: [], facts: [sky], ...plan });

/** The sentences of an answer, each with its quotes. */
const sentences = ({ answer = [] }: ReturnType<typeof replyTo>) =>
  answer.map(({ text, citations }) => [text.trim(), ...citations.map(({ source, quote }) => `${source} ${quote}`)]);

describe('a scripted researcher, while it has something to look up', () => {
  const lookUps: ResearchPlan['lookUps'] = [
    { search: ['blue things'] },
    [{ visit: ['https://example.org/'], goal: 'colours' }, { search: ['ice', 'snow'] }],
  ];
  const play = researcher({ lookUps });

  it('asks for one after the other, with several calls in one reply where its plan says so', () => {
    const first = replyTo([], play);
    expect(first.calls).toEqual([{ tool: 'search', args: { query: ['blue things'] } }]);
    const second = replyTo(step(first.text, 'A page.'), play);
    expect(second.calls).toEqual([
      { tool: 'visit', args: { url: ['https://example.org/'], goal: 'colours' } },
      { tool: 'search', args: { query: ['ice', 'snow'] } },
    ]);
    const third = replyTo([...step(first.text, 'A page.'), ...step(second.text, 'B.', 'C.')], play);
    expect(third.calls).toEqual([]);
    expect(third.answer).toBeDefined();
  });

  it('goes on behind its newest reply when the steps before were taken out of its context', () => {
    const digest: Digest = { role: 'digest', lookups: [], passages: [], sources: [] };
    const many = researcher({ lookUps: Array.from({ length: 120 }, (_, i) => ({ search: [`q${i}`] })) });
    const { calls } = replyTo([digest, ...step('<think>Look-up 100 of 120.</think>', 'A page.')], many);
    expect(calls).toEqual([{ tool: 'search', args: { query: ['q100'] } }]);
  });

  it('answers at once when it is ordered to', () => {
    const reply = replyTo(step('x', 'The sky is blue.'), play, { mustAnswer: true });
    expect(sentences(reply)).toEqual([['The sky is blue.', 's1 sky is blue']]);
  });
});

describe('the answer of a scripted researcher', () => {
  it('quotes each fact from the passage of the prompt that holds it', () => {
    const reply = replyTo(
      step('x', 'Snow is white.', 'We saw it. The ice shone blue.', 'The sky was blue.'),
      researcher({ facts: [sky, ice] }),
    );
    expect(sentences(reply)).toEqual([
      ['The sky is blue.', 's3 sky was blue'],
      ['Ice is blue.', 's2 The ice shone blue'],
    ]);
  });

  it('quotes what a digest kept, and owns up to what it let go', () => {
    const { sources, sections } = observationOf('The sky was blue.');
    const passages = sections.flatMap((section) => section.passages);
    const digest: Digest = { role: 'digest', lookups: [], passages, sources };
    const reply = replyTo([digest, ...step('x', 'Snow is white.')], researcher({ facts: [sky, ice] }));
    expect(sentences(reply)).toEqual([['The sky is blue.', 's1 sky was blue'], ['Not found: Ice is blue.']]);
  });

  it('takes nothing from the question', () => {
    const moon: Fact = { says: 'The moon.', proof: 'The moon.' };
    expect(sentences(replyTo(step('x', 'A page.'), researcher({ facts: [moon] })))).toEqual([['Not found: The moon.']]);
  });

  it('misquotes as planned, until it is asked for a proof or for ever', () => {
    const facts: Fact[] = [
      { ...sky, misquoted: 'at first' },
      { ...ice, misquoted: 'always' },
    ];
    const turns = step('x', 'The sky is blue. The ice shone blue.');
    const first = replyTo(turns, researcher({ facts }));
    expect(sentences(first)).toEqual([
      ['The sky is blue.', 's1 sky is blue, or so they say'],
      ['Ice is blue.', 's1 The ice shone blue, or so they say'],
    ]);
    const given: Turn = { role: 'model', text: first.text, calls: [] };
    const mended = replyTo([...turns, given, repairNotice], researcher({ facts }), { mustAnswer: true });
    expect(sentences(mended)).toEqual([
      ['The sky is blue.', 's1 sky is blue'],
      ['Ice is blue.', 's1 The ice shone blue, or so they say'],
    ]);
  });
});

describe('the output of a scripted researcher', () => {
  const facts: Fact[] = [
    { ...sky, field: { name: 'sky' } },
    { says: 'It is old.', proof: /\d+ years/, field: { name: 'age/years', read: Number.parseInt } },
    { ...ice, field: { name: 'ice' } },
  ];
  const turns = step('x', 'The sky is blue, and 400 years old.');
  const ordered = { mustAnswer: true, outputSchema: { type: 'object' } };

  it('has a field and its citation for each fact that the prompt holds', () => {
    expect(replyTo(turns, researcher({ facts }), ordered).output).toEqual({
      value: { sky: 'sky is blue', 'age/years': 400 },
      citations: {
        '/sky': [{ source: 's1', quote: 'sky is blue' }],
        '/age~1years': [{ source: 's1', quote: '400 years' }],
      },
    });
  });

  it.each([
    ['at first', 'sky is blue'],
    ['always', null],
  ] as const)('does not fit %s, as planned', (misfit, mended) => {
    const play = researcher({ facts: facts.slice(0, 1), misfit });
    const first = replyTo(turns, play, ordered);
    expect(first.output?.value).toEqual({ sky: null });
    const given: Turn = { role: 'model', text: first.text, calls: [] };
    expect(replyTo([...turns, given, outputNotice], play, ordered).output?.value).toEqual({ sky: mended });
  });
});

it('has latency, usage and faults as its plan says for each moment of each run', () => {
  const down = { kind: 'status', status: 503 } as const;
  const play = researcher({
    lookUps: [{ search: ['a'] }],
    manner: ({ doing, step: number, times }) => {
      if (doing === 'look-up') return times === 0 ? { fault: down } : { delayMs: 7 };
      return { usage: { prompt: 100 * number, completion: times } };
    },
  });
  const [lost, again, other] = [replyTo([], play), replyTo([], play), replyTo([], play, { session: 'another' })];
  expect([lost.turn, again.turn, other.turn]).toMatchObject([{ fault: down }, { delayMs: 7 }, { fault: down }]);
  expect(again.turn).not.toHaveProperty('fault');
  const answer = replyTo(step(again.text, 'A page.'), play);
  expect(answer.turn).toMatchObject({ usage: { prompt: 100, completion: 0 } });
});
