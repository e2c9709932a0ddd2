import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ChatRequest } from './chat-model.ts';
import { OutputParser } from './output-parser.ts';
import { tongyiV1 } from './tongyi.ts';

const strings = { type: 'array', items: { type: 'string' } };
const tools = [
  {
    name: 'search',
    description: '',
    parameters: { type: 'object', properties: { query: strings }, required: ['query'] },
  },
  {
    name: 'visit',
    description: '',
    parameters: { type: 'object', properties: { url: strings, goal: { type: 'string' } }, required: ['url', 'goal'] },
  },
  {
    name: 'PythonInterpreter',
    description: '',
    parameters: { type: 'object', properties: { code: { type: 'string' } }, required: ['code'] },
  },
];
const request: ChatRequest = {
  turns: [{ role: 'question', text: 'Why?' }],
  tools,
  today: '2026-11-23',
  mustAnswer: false,
  maxCompletionTokens: 100,
  session: 'r1',
};

function read(text: string, more: { mustAnswer?: boolean; finish?: string; size?: number } = {}) {
  const parser = new OutputParser(tongyiV1.stop);
  const size = more.size ?? (text.length || 1);
  for (let at = 0; at < text.length; at += size) parser.push(text.slice(at, at + size));
  const { mustAnswer = false, finish } = more;
  return tongyiV1.read({ output: parser.end(), calls: [], finish }, { ...request, mustAnswer });
}

const call = (json: string) => `<tool_call>\n${json}\n</tool_call>`;
const search = (query: string) => call(JSON.stringify({ name: 'search', arguments: { query: [query] } }));
const python = (body: string, args = '{}') => call(`{"name": "PythonInterpreter", "arguments": ${args}}\n${body}`);
const queries = (text: string) => read(text).calls.map(({ args }) => args['query']);
const texts = (text: string, mustAnswer = false) => read(text, { mustAnswer }).answer?.map((part) => part.text);

describe('tongyi-v1: calls', () => {
  it('gives the call behind the thinking, and the text as it came', () => {
    const text = `<think>so</think>\n${search('x')}`;
    expect(read(text)).toEqual({ text, calls: [{ tool: 'search', args: { query: ['x'] } }] });
  });

  it('goes by the parsed name, whatever the arguments speak of', () => {
    const query = 'python <code>PythonInterpreter</code> visit';
    expect(read(search(query)).calls).toEqual([{ tool: 'search', args: { query: [query] } }]);
  });

  it('knows scholar by the name that the model was trained on, and takes ours, too', () => {
    const asked = (name: string, args = '{"query": ["x"]}') => {
      const parser = new OutputParser(tongyiV1.stop);
      parser.push(call(`{"name": "${name}", "arguments": ${args}}`));
      const [first] = tools;
      const offered = first === undefined ? [] : [{ ...first, name: 'scholar' }];
      return tongyiV1.read({ output: parser.end(), calls: [], finish: 'stop' }, { ...request, tools: offered });
    };
    for (const name of ['google_scholar', 'scholar']) {
      expect(asked(name).calls).toEqual([{ tool: 'scholar', args: { query: ['x'] } }]);
    }
    expect(asked('search').problem).toContain('There are: google_scholar.');
    expect(asked('scholar', '{}').problem).toContain('"google_scholar" has wrong arguments');
    expect(read(call('{"name": "google_scholar", "arguments": {}}')).problem).toContain('which is no tool here');
  });

  it('gives the program of PythonInterpreter as its argument, as it was written', () => {
    const program = 'def f():\n    return "</think> <tool_call> </code>"\n\nprint(f())';
    expect(read(python(`<code>\n${program}\n</code>`)).calls).toEqual([
      { tool: 'PythonInterpreter', args: { code: program } },
    ]);
    expect(read(python('<code>1</code>').replaceAll('\n', '')).calls[0]?.args).toEqual({ code: '1' });
  });

  it('gives calls that follow one another directly, in order', () => {
    const text = `${search('a')}${call('{"name":"visit","arguments":{"url":["u"],"goal":"g"}}')}\n<think>t</think>${search('b')}`;
    expect(read(text).calls.map(({ tool }) => tool)).toEqual(['search', 'visit', 'search']);
  });

  it('takes a call for a draft when words follow before another: the last is meant', () => {
    expect(queries(`${search('a')} Wait, better this: ${search('b')}`)).toEqual([['b']]);
    expect(queries(`${call('{broken')} No. ${search('b')}`)).toEqual([['b']]);
    expect(queries(`${search('a')}<answer>A.</answer>${search('b')}`)).toEqual([['b']]);
  });

  it('passes over calls inside thinking, also where its opening tag stood in the prompt', () => {
    expect(queries(`<think>maybe ${search('draft')}</think>${search('real')}`)).toEqual([['real']]);
    expect(queries(`maybe ${search('draft')}</think>${search('real')}`)).toEqual([['real']]);
  });

  it('is not misled by tags inside the strings of a call', () => {
    const query = 'what does </tool_call> or <think> or "<answer>" mean {';
    expect(queries(search(query) + search('next'))).toEqual([[query], ['next']]);
  });

  it('runs a call without its closing tag when all else of it is there', () => {
    expect(queries('<tool_call>{"name":"search","arguments":{"query":["x"]}}')).toEqual([['x']]);
    expect(read(python('<code>1</code>').replace('</tool_call>', '')).calls[0]?.args).toEqual({ code: '1' });
  });

  it('lets the call win over an answer beside it, which came before its evidence', () => {
    for (const text of [
      `${search('x')}<answer>Early.</answer>`,
      `<answer>Early.</answer>${search('x')}`,
      `<answer>Early. ${search('x')}`,
    ]) {
      const { calls, answer } = read(text);
      expect(calls).toHaveLength(1);
      expect(answer).toBeUndefined();
    }
  });

  it('leaves nothing in arguments that cannot be stored', () => {
    const { calls } = read(
      call('{"name":"search","arguments":{"query":["a\\u0000\\ud83d"],"\\u0000":{"b":"\\ud83d\\ude00"}}}'),
    );
    expect(calls[0]?.args).toEqual({ query: ['a\ufffd\ufffd'], '\ufffd': { b: '😀' } });
  });
});

describe('tongyi-v1: what cannot be used is told with its place', () => {
  it.each<[string, string, RegExp]>([
    ['an empty reply', '', /neither a tool call nor an answer.*<tool_call>/s],
    ['white space', ' \n\n', /neither a tool call nor an answer/],
    [
      'a refusal',
      "I'm sorry, but I can't help with that.",
      /neither a tool call nor an answer.*<answer> and <\/answer>/s,
    ],
    ['thinking and words', '<think>x</think> I am done.', /neither a tool call nor an answer/],
    [
      'a call inside thinking only',
      `<think>${search('x')}</think>`,
      /inside <think><\/think> is a thought and was not run/,
    ],
    ['thinking that never ends', `<think>x ${search('x')} <answer>A.</answer>`, /opened <think> and never closed it/],
    ['an empty answer', '<answer>\n</answer>', /<answer> was empty/],
    [
      'a bracket that is not closed',
      call('{"name": "search", "arguments": {"query": ["x"}}'),
      /^The tool call is not valid JSON at line 2, column 47: expected "," or "\]", but found "}" \(.*\["x"«here»}}\)\. It was not run\./,
    ],
    ['single quotes', call("{'name': 'search'}"), /line 2, column 2: expected a name in double quotes, but found "'"/],
    [
      'a trailing comma',
      call('{"name": "search", "arguments": {"query": ["x"],}}'),
      /expected a name in double quotes, but found "}"/,
    ],
    [
      'a comment',
      call('{"name": "search", /* why */ "arguments": {}}'),
      /expected a name in double quotes, but found "\/"/,
    ],
    [
      'a raw line break in a string',
      call('{"name": "search", "arguments": {"query": ["a\nb"]}}'),
      /line break in a string is written \\n/,
    ],
    [
      'words behind the JSON',
      call('{"name":"search","arguments":{"query":["x"]}} please'),
      /expected the end of the JSON, but found "p"/,
    ],
    [
      'a call cut off',
      '<tool_call>{"name": "search", "argum',
      /never closed with <\/tool_call> and is not valid JSON .* but it ends/,
    ],
    ['an empty call', call(''), /is empty/],
    ['a word', call('search'), /expected a JSON value, but found "s"/],
    ['an array', call('[1]'), /must be one JSON object, but is an array/],
    ['no name', call('{"arguments":{}}'), /has no "name"/],
    ['a name that is no string', call('{"name":1,"arguments":{}}'), /name of a tool as "name", but has a number/],
    ['no arguments', call('{"name":"search"}'), /"search" has no "arguments"; write \{\}/],
    [
      'arguments as a string',
      call('{"name":"search","arguments":"{}"}'),
      /"search" must have a JSON object as arguments, but has a string/,
    ],
    [
      'an unknown tool',
      call('{"name":"google","arguments":{}}'),
      /names "google", which is no tool here\. There are: search, visit, PythonInterpreter\./,
    ],
    [
      'the name in other letters',
      call('{"name":"Search","arguments":{"query":["x"]}}'),
      /names "Search", which is no tool here/,
    ],
    [
      'a missing argument',
      call('{"name":"visit","arguments":{"url":["u"]}}'),
      /of "visit" has wrong arguments: "goal" is missing\./,
    ],
    [
      'arguments of wrong types',
      call('{"name":"visit","arguments":{"url":[1],"goal":["g"]}}'),
      /"url\[0\]" must be a string, but is a number\. "goal" must be a string, but is an array\./,
    ],
    [
      'a tool as deep as a well',
      call(`{"name":"search","arguments":{"query":${'['.repeat(70)}${']'.repeat(70)}}}`),
      /no more than 64 levels/,
    ],
    [
      'a program of a tool that takes none',
      call('{"name":"search","arguments":{"query":["x"]}}\n<code>1</code>'),
      /"search" has a <code>, which only PythonInterpreter takes/,
    ],
    ['a program that never ends', python('<code>\nprint(1)'), /opened <code> and never closed it/],
    ['an empty program', python('<code>\n</code>'), /has an empty <code>/],
    ['a program given twice', python('<code>1</code>', '{"code": "2"}'), /gives its program twice/],
    ['no program', python(''), /wrong arguments: "code" is missing/],
    [
      'text in a circle',
      `<think>${'I should search again. '.repeat(500)}`,
      /wrote the same thing \d+ times over and was stopped: ".*search again.*Decide now/,
    ],
    ['text in a circle behind a call', search('x') + '\n.'.repeat(9_000), /wrote the same thing/],
  ])('%s', (_, text, problem) => {
    const parsed = read(text);
    expect(parsed.problem).toMatch(problem);
    expect(parsed.calls).toEqual([]);
    expect(parsed.answer).toBeUndefined();
  });

  it('runs none of several calls when one is wrong, and says which', () => {
    const parsed = read(`${search('a')}${call('{"name": "search, "arguments": {}}')}${search('b')}`);
    expect(parsed.calls).toEqual([]);
    expect(parsed.problem).toMatch(/^Tool call 2 of 3 is not valid JSON .* None of them was run/s);
  });

  it('says that there are no tools where none is offered', () => {
    const parser = new OutputParser([]);
    parser.push(search('x'));
    const parsed = tongyiV1.read({ output: parser.end(), calls: [], finish: 'stop' }, { ...request, tools: [] });
    expect(parsed.problem).toMatch(/no tool here\. There are no tools\./);
  });
});

describe('tongyi-v1: answers', () => {
  it('takes the answer with its citations', () => {
    expect(read('<think>t</think><answer>It rains. <cite source="s3">rain</cite></answer>').answer).toEqual([
      { text: 'It rains.', claim: true, citations: [{ source: 's3', quote: 'rain' }] },
    ]);
  });

  it('takes an unclosed answer up to the end of the text', () => {
    expect(texts('<answer>It rains. It sn')).toEqual(['It rains.', ' It sn']);
  });

  it('does not take an answer that was cut at the limit, unless it is the last chance', () => {
    const cut = { finish: 'length' };
    expect(read('<answer>It rains. It sn', cut)).toMatchObject({
      calls: [],
      problem: 'Your <answer> is not complete.',
    });
    expect(read('<answer>It rains. It sn', { ...cut, mustAnswer: true }).answer).toHaveLength(2);
    expect(read('<answer>It rains.</answer> And', cut).answer).toHaveLength(1);
  });

  it('takes the last answer that says something', () => {
    expect(texts('<answer>Draft.</answer><answer>Final.</answer><answer></answer>')).toEqual(['Final.']);
  });

  it('keeps tags that an answer writes about', () => {
    expect(texts('<answer>Write <tool_call> and <think> first.</answer>')).toEqual([
      'Write <tool_call> and <think> first.',
    ]);
  });

  it('takes the answer and passes over the call when no call was allowed', () => {
    expect(texts(`${search('x')}<answer>Late.</answer>`, true)).toEqual(['Late.']);
    expect(read(search('x'), { mustAnswer: true }).problem).toMatch(/No tool can be called any more/);
  });

  it('takes one round of an answer that ran in a circle when it is the last chance', () => {
    expect(texts(`<answer>It rains.${' Very much so.'.repeat(900)}`, true)).toEqual(['It rains.', ' Very much so']);
  });
});

describe('tongyi-v1: 1,000 ugly replies', () => {
  const words = fc.constantFrom(
    'so ',
    "I can't help with that.",
    '漢字 😀',
    '\ud83d',
    'again and '.repeat(300),
    ' ',
    '\n',
    '',
  );
  const tag = fc.constantFrom(
    '<think>',
    '</think>',
    '<tool_call>',
    '</tool_call>',
    '<answer>',
    '</answer>',
    '<code>',
    '</code>',
  );
  const value = fc.json({ maxDepth: 2 });
  const written = fc.oneof(
    fc
      .tuple(fc.constantFrom('search', 'visit', 'python', 'PythonInterpreter'), value)
      .map(([name, args]) => `{"name":"${name}","arguments":${args}}`),
    fc.constantFrom(
      '{"name":"search","arguments":{"query":["</tool_call>"]}}',
      "{'name':'search'}",
      '{"name":"search"',
      '',
      '[]',
    ),
    value,
  );
  const block = fc.oneof(
    words,
    tag,
    written.map(call),
    words.map((text) => `<think>${text}</think>`),
    words.map((text) => `<answer>${text}</answer>`),
    fc.tuple(written, words).map(([json, text]) => call(`${json}<code>${text}</code>`)),
    fc.constant('<tool_response>'),
  );
  const reply = fc.array(block, { maxLength: 10 }).map((blocks) => blocks.join(''));

  it('come each to calls that can be run, or an answer, or a problem, the same whatever the pieces', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(reply, fc.boolean(), fc.integer({ min: 1, max: 40 }), (text, mustAnswer, size) => {
        const parsed = read(text, { mustAnswer });
        expect(read(text, { mustAnswer, size })).toEqual(parsed);
        const kinds = [
          parsed.calls.length > 0 && 'calls',
          parsed.answer && 'answer',
          parsed.problem && 'problem',
        ].filter(Boolean);
        expect(kinds).toHaveLength(1);
        seen.add(String(kinds[0]));
        if (mustAnswer) expect(parsed.calls).toEqual([]);
        for (const { tool, args } of parsed.calls)
          expect([tools.some(({ name }) => name === tool), typeof args]).toEqual([true, 'object']);
      }),
      { numRuns: 1_000 },
    );
    expect([...seen].toSorted()).toEqual(['answer', 'calls', 'problem']);
  });
});
