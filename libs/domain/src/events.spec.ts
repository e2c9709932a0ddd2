import { describe, expect, it } from '@jest/globals';
import {
  answered,
  asked,
  limitsOf,
  observationOf,
  reportOf,
  requestOf,
  searchOf,
} from '../../../test/support/research.ts';
import { announce, announceEnd, isTerminal } from './events.ts';
import type { Observation } from './observation.ts';
import { advance, begin } from './research.ts';
import type { ResearchEvent, ResearchState } from './run-state.ts';

const start = begin(requestOf())[0];

/** The state after an event, and what clients hear of it. */
function told(state: ResearchState, event: ResearchEvent) {
  const [after, command] = advance(state, event, limitsOf());
  return { after, events: announce(event, after, command) };
}

describe('announce', () => {
  it('tells of the reply and of every call that it starts', () => {
    const { events } = told(start, asked(searchOf('a'), searchOf('b')));
    expect(events.map(({ type, data }) => [type, data['step'], data['index']])).toEqual([
      ['model.completed', 0, undefined],
      ['tool.started', 0, 0],
      ['tool.started', 0, 1],
    ]);
    expect(events[0]?.data).toMatchObject({ calls: 2, answered: false, usage: { promptTokens: 10 } });
  });

  it('tells what each call brought, without any page text, and that the next step begins', () => {
    const secret = 'Text of a page.';
    const fault = { kind: 'blocked' as const, message: 'The site refuses robots.' };
    const found = observationOf(secret);
    const observation: Observation = { ...found, sections: [...found.sections, { label: 'u', passages: [], fault }] };
    const { after } = told(start, asked(searchOf('a')));
    const outcomes = [{ call: searchOf('a'), observation }];
    const { events } = told(after, { kind: 'tools-returned', outcomes });
    expect(events).toEqual([
      {
        type: 'tool.completed',
        data: {
          step: 0,
          index: 0,
          tool: 'search',
          passages: 1,
          hits: 0,
          sources: [found.sources[0]?.uri],
          faults: [{ label: 'u', ...fault }],
        },
      },
      { type: 'step.started', data: { step: 1 } },
    ]);
    expect(JSON.stringify(events)).not.toContain(secret);
  });

  it('starts no step after an answer', () => {
    const { events } = told(start, answered());
    expect(events.map((event) => event.type)).toEqual(['model.completed']);
    expect(events[0]?.data).toMatchObject({ answered: true });
  });

  it.each<ResearchEvent>([{ kind: 'cancelled' }, { kind: 'limit-reached', reason: 'context' }])(
    'leaves the end to the report: %j',
    (event) => {
      expect(told(start, event).events).toEqual([]);
    },
  );
});

describe('announce, of what the loop itself does', () => {
  const same = {
    kind: 'tools-returned' as const,
    outcomes: [{ call: searchOf('a'), observation: observationOf('a') }],
  };
  const claim = { text: 'So it is.', claim: true, citations: [] };

  it('tells of a circle once, with what is done about it, in the step that it was noticed in', () => {
    let [state] = begin(requestOf());
    const seen: [string, unknown, unknown][] = [];
    for (const event of [1, 2, 3, 4, 5].flatMap((): ResearchEvent[] => [asked(searchOf('a')), same])) {
      const { after, events } = told(state, event);
      state = after;
      for (const { type, data } of events)
        if (type === 'loop.detected') seen.push([type, data['step'], data['action']]);
    }
    expect(seen).toEqual([
      ['loop.detected', 1, 'nudge'],
      ['loop.detected', 2, 'nudge'],
      ['loop.detected', 3, 'nudge'],
      ['loop.detected', 4, 'answer'],
    ]);
  });

  it('warns of the limit that forced an answer, and tells what the check of it found', () => {
    const { after, events } = told(start, { ...answered(claim), forced: 'max_tokens' });
    expect(events[0]).toEqual({ type: 'budget.warning', data: { step: 0, reason: 'max_tokens' } });
    const faults = [{ text: 'So it is.', reason: 'it cites nothing.' }];
    const checked = told(after, { kind: 'answer-checked', supported: 0, faults });
    expect(checked.events).toEqual([
      { type: 'answer.checked', data: { step: 0, supported: 0, unsupported: 1 } },
      { type: 'step.started', data: { step: 1 } },
    ]);
  });

  it('tells how much of a full context was folded', () => {
    const [first, second] = [asked(searchOf('a')), asked(searchOf('b'))].map((event): ResearchEvent[] => [event, same]);
    const state = [...(first ?? []), ...(second ?? [])].reduce((before, event) => told(before, event).after, start);
    const { events } = told(state, { kind: 'context-compacted', promptTokens: 900, from: 3, kept: [] });
    const data = { step: 2, prompt_tokens: 900, folded_turns: 2, kept_passages: 0 };
    expect(events[0]).toEqual({ type: 'context.compacted', data });
  });
});

describe('announceEnd', () => {
  it.each(['completed', 'incomplete', 'failed', 'cancelled'] as const)(
    'closes a %s run with one terminal event',
    (status) => {
      const events = announceEnd(reportOf('r1', status));
      expect(events.map((event) => event.type)).toEqual(['report.completed', `run.${status}`]);
      expect(events.map((event) => isTerminal(event.type))).toEqual([false, true]);
    },
  );

  it('says why a run fell short', () => {
    expect(announceEnd(reportOf('r1', 'incomplete'))[1]?.data).toMatchObject({ reason: 'max_steps' });
    expect(announceEnd(reportOf('r1'))[1]?.data).not.toHaveProperty('reason');
  });

  it('counts the claims that hold', () => {
    const claims = [
      { text: 'a', verdict: 'supported', citations: [] },
      { text: 'b', verdict: 'unsupported', citations: [] },
    ] as const;
    expect(announceEnd({ ...reportOf('r1'), claims })[0]?.data).toEqual({ claims: 2, supported: 1, sources: 0 });
  });
});
