import { describe, expect, it } from '@jest/globals';
import { parseTongyi } from './tongyi-output.ts';

const call = (json: string) => `<tool_call>\n${json}\n</tool_call>`;
const search = (query: string) => call(JSON.stringify({ name: 'search', arguments: { query: [query] } }));
const texts = (text: string, mustAnswer = false) => parseTongyi(text, mustAnswer).answer?.map((part) => part.text);

describe('parseTongyi: calls', () => {
  it('gives the call behind the thinking', () => {
    expect(parseTongyi(`<think>so</think>\n${search('x')}`)).toEqual({
      calls: [{ tool: 'search', args: { query: ['x'] } }],
    });
  });

  it('gives several calls in order', () => {
    const { calls } = parseTongyi(
      `${search('a')}\n${call('{"name":"visit","arguments":{"url":["u"]}}')}${search('b')}`,
    );
    expect(calls.map((c) => c.tool)).toEqual(['search', 'visit', 'search']);
  });

  it('goes by the parsed name, whatever the arguments speak of', () => {
    const { calls } = parseTongyi(search('python <code>PythonInterpreter</code> visit'));
    expect(calls).toEqual([{ tool: 'search', args: { query: ['python <code>PythonInterpreter</code> visit'] } }]);
  });

  it('passes over calls inside thinking', () => {
    expect(parseTongyi(`<think>maybe ${search('draft')}</think>${search('real')}`).calls).toEqual([
      { tool: 'search', args: { query: ['real'] } },
    ]);
  });

  it('takes text before an unopened </think> as thinking', () => {
    expect(parseTongyi(`maybe ${search('draft')}</think>${search('real')}`).calls).toEqual([
      { tool: 'search', args: { query: ['real'] } },
    ]);
  });

  it('is not misled by tags inside the strings of a call', () => {
    const query = 'what does </tool_call> or <think> or "<answer>" mean {';
    expect(parseTongyi(search(query) + search('next')).calls.map((c) => c.args['query'])).toEqual([[query], ['next']]);
  });

  it('runs a call without its closing tag when its JSON is complete', () => {
    expect(parseTongyi('<tool_call>{"name":"search","arguments":{}}').calls).toEqual([{ tool: 'search', args: {} }]);
  });

  it('lets the call win over an answer beside it', () => {
    const parsed = parseTongyi(`${search('x')}<answer>Early.</answer>`);
    expect(parsed.calls).toHaveLength(1);
    expect(parsed.answer).toBeUndefined();
  });

  it('lets the call win over an unclosed answer before it', () => {
    const parsed = parseTongyi(`<answer>Early. ${search('x')}`);
    expect(parsed.calls).toHaveLength(1);
    expect(parsed.answer).toBeUndefined();
  });
});

describe('parseTongyi: problems', () => {
  it.each([
    ['JSON that is malformed', call('{"name": "search", "arguments": {"query": ["x"}}'), /not valid JSON.*\]/s],
    ['single quotes', call("{'name': 'search'}"), /not valid JSON/],
    ['code behind the JSON', call('{"name":"p","arguments":{}}\n<code>1</code>'), /Only the JSON object/],
    ['a call cut off', '<tool_call>{"name": "search", "argum', /never closed/],
    ['an empty call', call(''), /is empty/],
    ['an array', call('[1]'), /an array/],
    ['no name', call('{"arguments":{}}'), /no "name"/],
    ['a name that is no string', call('{"name":1,"arguments":{}}'), /a string/],
    ['no arguments', call('{"name":"search"}'), /"search" has no "arguments"; write \{\}/],
    [
      'arguments as a string',
      call('{"name":"search","arguments":"{}"}'),
      /a JSON object as "arguments", but has a string/,
    ],
    ['neither call nor answer', '<think>x</think> I am done.', /neither a tool call nor an answer/],
    ['thinking that never ends', `<think>x ${search('x')} <answer>A.</answer>`, /never closed/],
    ['an empty answer', '<answer>\n</answer>', /was empty/],
  ])('%s', (_, text, problem) => {
    const parsed = parseTongyi(text);
    expect(parsed.problem).toMatch(problem);
    expect(parsed.calls).toEqual([]);
    expect(parsed.answer).toBeUndefined();
  });

  it('runs none of several calls when one is malformed, and says which', () => {
    const parsed = parseTongyi(`${search('a')}${call('{"name": "search, "arguments": {}}')}${search('b')}`);
    expect(parsed.calls).toEqual([]);
    expect(parsed.problem).toMatch(/^Tool call 2 of 3 .* None of them was run/s);
  });
});

describe('parseTongyi: answers', () => {
  it('takes the answer with its citations', () => {
    expect(parseTongyi('<think>t</think><answer>It rains. <cite source="s3">rain</cite></answer>')).toEqual({
      calls: [],
      answer: [{ text: 'It rains.', claim: true, citations: [{ source: 's3', quote: 'rain' }] }],
    });
  });

  it('takes an unclosed answer up to the end of the text', () => {
    expect(texts('<answer>It rains. It sn')).toEqual(['It rains.', ' It sn']);
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
    expect(parseTongyi(`${search('x')}<answer>Late.</answer>`, true)).toEqual({
      calls: [],
      answer: [{ text: 'Late.', claim: true, citations: [] }],
    });
    expect(parseTongyi(search('x'), true).problem).toMatch(/No tool can be called any more/);
  });
});
