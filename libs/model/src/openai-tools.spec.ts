import { describe, expect, it } from '@jest/globals';
import type { Turn } from '#domain';
import type { ChatRequest } from './chat-model.ts';
import { NativeCalls, type NativePiece } from './native-calls.ts';
import { openAiTools } from './openai-tools.ts';
import { OutputParser } from './output-parser.ts';
import type { NativeCall } from './profile.ts';

const search = {
  name: 'search',
  description: '',
  parameters: {
    type: 'object',
    properties: { query: { type: 'array', items: { type: 'string' } } },
    required: ['query'],
  },
};
const clock = { name: 'clock', description: '', parameters: { type: 'object', properties: {} } };
const question: Turn = { role: 'question', text: 'Why?' };
const request: ChatRequest = {
  turns: [question],
  tools: [search, clock],
  today: '2026-11-23',
  mustAnswer: false,
  maxCompletionTokens: 100,
  session: 'r1',
};

interface Said {
  readonly text?: string;
  readonly calls?: readonly NativeCall[];
  readonly finish?: string;
  readonly mustAnswer?: boolean;
}
function read({ text = '', calls = [], finish, mustAnswer = false }: Said) {
  const parser = new OutputParser(openAiTools.stop);
  parser.push(text);
  return openAiTools.read({ output: parser.end(), calls, finish }, { ...request, mustAnswer });
}
const asking = (args: string, name = 'search'): NativeCall => ({ name, args });
const rendered = (turns: readonly Turn[], more: Partial<ChatRequest> = {}) =>
  openAiTools.render({ ...request, turns: [question, ...turns], ...more });

describe('openai-tools-v1: replies', () => {
  it('gives the native calls, several too, and keeps the words beside them', () => {
    expect(read({ text: 'Both.', calls: [asking('{"query":["a"]}'), asking('', 'clock')] })).toEqual({
      text: 'Both.',
      calls: [
        { tool: 'search', args: { query: ['a'] } },
        { tool: 'clock', args: {} },
      ],
    });
  });

  it('takes words without a call as the answer, without the thinking before them', () => {
    const text = '<think>Hm, <tool_call>?</think>\n\nIt rains. <cite source="s1">rain</cite>';
    expect(read({ text })).toEqual({
      text,
      calls: [],
      answer: [{ text: 'It rains.', claim: true, citations: [{ source: 's1', quote: 'rain' }] }],
    });
  });

  it.each<[string, Said, RegExp]>([
    [
      'arguments that are no JSON',
      { calls: [asking('{"query": ["a"')] },
      /of "search" has arguments whose text is not valid JSON at line 1, column 15: expected "," or "\]", but it ends/,
    ],
    [
      'arguments that are no object',
      { calls: [asking('["a"]')] },
      /must have a JSON object as arguments, but has an array/,
    ],
    ['arguments of a wrong type', { calls: [asking('{"query":3}')] }, /"query" must be an array, but is a number/],
    ['a missing argument', { calls: [asking('')] }, /"query" is missing/],
    [
      'an unknown tool',
      { calls: [asking('{}', 'google')] },
      /names "google", which is no tool here\. There are: search, clock/,
    ],
    ['no name', { calls: [asking('{}', '')] }, /has no name/],
    [
      'one wrong call of two',
      { calls: [asking('{"query":["a"]}'), asking('{', 'clock')] },
      /Tool call 2 of 2 .* None of them was run/,
    ],
    ['only thinking', { text: '<think>x</think>\n' }, /neither a tool call nor an answer, only thinking/],
    [
      'a call written as text',
      { text: '<tool_call>{"name":"search","arguments":{}}</tool_call>' },
      /as text, in <tool_call> tags, and it was not run.*tool-call parser/,
    ],
    ['an answer cut at the limit', { text: 'It rai', finish: 'length' }, /not complete/],
    ['an answer in a circle', { text: 'No no. '.repeat(900) }, /wrote the same thing \d+ times/],
    [
      'a call where none is allowed',
      { calls: [asking('{"query":["a"]}')], mustAnswer: true },
      /No tool can be called any more/,
    ],
  ])('%s is told to the model', (_, said, problem) => {
    const parsed = read(said);
    expect(parsed.problem).toMatch(problem);
    expect([parsed.calls, parsed.answer]).toEqual([[], undefined]);
  });

  it('keeps calls that were not run as words, so that the model sees what it wrote', () => {
    const { text } = read({ text: 'Look.', calls: [asking('{"query": [')] });
    expect(text).toBe('Look.\n[tool call, not run] search {"query": [');
    expect(rendered([{ role: 'model', text, calls: [] }]).messages.at(-1)).toEqual({
      role: 'assistant',
      content: text,
    });
  });

  it('takes an answer that speaks of tool calls', () => {
    expect(read({ text: 'Models write <tool_call>{"name": "f"}</tool_call> there.' }).answer).toHaveLength(1);
  });

  it('takes what there is when it is the last chance', () => {
    expect(read({ text: 'It rai', finish: 'length', mustAnswer: true }).answer).toHaveLength(1);
    expect(read({ text: 'Rain.', calls: [asking('{"query":["a"]}')], mustAnswer: true }).answer).toHaveLength(1);
  });
});

describe('openai-tools-v1: prompts', () => {
  it('does not send thinking back, and never an empty message', () => {
    const turns: Turn[] = [
      { role: 'model', text: '<think>secret</think>\n\nWords.', calls: [] },
      { role: 'model', text: '<think>secret', calls: [] },
    ];
    expect(
      rendered(turns)
        .messages.slice(2)
        .map(({ content }) => content),
    ).toEqual(['Words.', '(no words)']);
  });

  it('renders stored arguments alike in whatever order they come back', () => {
    const turn = (args: Record<string, unknown>): Turn => ({
      role: 'model',
      text: '',
      calls: [{ tool: 'search', args }],
    });
    const [a, b] = [turn({ url: ['u'], goal: { b: 1, a: 2 } }), turn({ goal: { a: 2, b: 1 }, url: ['u'] })];
    expect(rendered([a])).toEqual(rendered([b]));
  });

  it('withdraws the tools without unlisting them when an answer is forced', () => {
    const free = rendered([]).fields;
    expect(free).toMatchObject({ tool_choice: 'auto' });
    expect(rendered([], { mustAnswer: true }).fields).toEqual({ ...free, tool_choice: 'none' });
  });

  it('speaks of no tools when there are none', () => {
    const { messages, fields } = rendered([], { tools: [] });
    expect(fields).toEqual({});
    expect(messages[0]?.content).not.toMatch(/tool/);
  });
});

describe('NativeCalls', () => {
  const put = (...pieces: NativePiece[]) => {
    const calls = new NativeCalls();
    for (const piece of pieces) calls.take(piece);
    return calls.end();
  };
  const begin = (index: number | undefined, id: string, name: string, args = ''): NativePiece => {
    return { ...(index === undefined ? {} : { index }), id, function: { name, arguments: args } };
  };
  const go = (index: number, args: string): NativePiece => ({ index, function: { arguments: args } });

  it.each<[string, NativePiece[], NativeCall[]]>([
    [
      'pieces of two calls that come in turns',
      [begin(0, 'a', 'f'), begin(1, 'b', 'g'), go(0, '{"x"'), go(1, '{}'), go(0, ':1}')],
      [asking('{"x":1}', 'f'), asking('{}', 'g')],
    ],
    [
      'whole calls that are all numbered 0',
      [begin(0, 'a', 'f', '{}'), begin(0, 'b', 'g', '{}')],
      [asking('{}', 'f'), asking('{}', 'g')],
    ],
    [
      'whole calls without numbers',
      [begin(undefined, 'a', 'f', '{}'), begin(undefined, 'b', 'g', '{}')],
      [asking('{}', 'f'), asking('{}', 'g')],
    ],
    ['a name and an id in every piece', [begin(0, 'a', 'f', '{'), begin(0, 'a', 'f', '}')], [asking('{}', 'f')]],
  ])('puts together %s', (_, pieces, calls) => {
    expect(put(...pieces)).toEqual(calls);
  });
});
