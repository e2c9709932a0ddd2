import { describe, expect, it } from '@jest/globals';
import type { Turn } from '#domain';
import type { LogFields } from '#platform';
import { AppendOnly, breakIn } from './append-only.ts';
import type { ChatRequest } from './chat-model.ts';
import type { ChatMessage } from './profile.ts';
import { tongyiV1 } from './tongyi.ts';

const before: readonly ChatMessage[] = [
  { role: 'system', content: 's' },
  { role: 'user', content: 'Why?' },
];
const next = (...more: readonly ChatMessage[]): ChatMessage[] => [...before, ...more];

describe('a prompt behind another', () => {
  it('goes on from it with its reply, whatever comes behind', () => {
    const grown = next({ role: 'assistant', content: 'Hm.' }, { role: 'user', content: 'And?' });
    expect(breakIn(before, 'Hm.', grown)).toBeNull();
    expect(breakIn(before, 'Hm.', grown.slice(0, 3))).toBeNull();
  });

  it.each([
    ['a reply that lost its beginning', next({ role: 'assistant', content: 'm.' }), { message: 2, character: 0 }],
    ['no reply', next(), { message: 2, role: 'none' }],
    ['another question', [before[0], { role: 'user', content: 'What?' }], { message: 1, character: 2 }],
    ['an order in place of the reply', next({ role: 'user', content: 'Hm.' }), { message: 2, role: 'user' }],
  ] as [string, ChatMessage[], object][])('breaks with %s, and says where', (_, now, where) => {
    expect(breakIn(before, 'Hm.', now)).toMatchObject(where);
  });

  it('may write the words beside calls in another way', () => {
    const call = { id: '1', type: 'function' as const, function: { name: 'search', arguments: '{}' } };
    expect(breakIn(before, ' ', next({ role: 'assistant', content: '', tool_calls: [call] }))).toBeNull();
  });
});

describe('the prompts of a run', () => {
  it('only ever grow as its profile renders them, and a break is told with its place', () => {
    const told: (LogFields | undefined)[] = [];
    const appendOnly = new AppendOnly({ log: (_level, _event, fields) => void told.push(fields) });
    const question: Turn = { role: 'question', text: 'Why is the sky blue?' };
    const request = (turns: readonly Turn[]): ChatRequest => {
      return { turns, tools: [], today: '2026-11-26', mustAnswer: false, maxCompletionTokens: 5, session: 'r' };
    };
    const text = '<think>Hm.</think>\n  Perhaps.\n';
    let turns: Turn[] = [question];
    for (let turn = 0; turn < 3; turn++) {
      const { messages } = tongyiV1.render(request(turns));
      appendOnly.asked(request(turns), messages);
      appendOnly.replied(request(turns), messages, text);
      turns = [...turns, { role: 'model', text, calls: [] }, { role: 'question', text: 'Go on.' }];
    }
    expect(told).toEqual([]);
    const mended = turns.map((turn) => (turn.role === 'model' ? { ...turn, text: text.trim() } : turn));
    appendOnly.asked(request(mended), tongyiV1.render(request(mended)).messages);
    expect(told).toEqual([{ runId: 'r', message: 2, role: 'assistant', character: text.trim().length }]);
  });
});
