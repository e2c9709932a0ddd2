import { describe, expect, it } from '@jest/globals';
import { InvalidInput } from '#errors';
import { readChatBody } from './chat-body.ts';
import { readResponsesBody } from './responses-body.ts';

const corpus = 'c_0123456789abcdef';
const other = 'c_fedcba9876543210';

/** The faults of a body, by the fields that they blame. */
function faultsOf(read: (raw: unknown) => unknown, raw: unknown): Record<string, string> {
  try {
    read(raw);
  } catch (error) {
    if (error instanceof InvalidInput) return Object.fromEntries(error.problems.map((one) => [one.path, one.message]));
    throw error;
  }
  return {};
}

describe('the body of a response', () => {
  it('is a question and nothing else where it says nothing else', () => {
    expect(readResponsesBody({ input: ' Why? ' })).toEqual({
      body: { question: 'Why?', budget: {} },
      background: false,
      stream: false,
      echo: {
        form: 'responses',
        input: ' Why? ',
        instructions: null,
        background: false,
        max_tool_calls: null,
        max_output_tokens: null,
        format: { type: 'text' },
        tools: [],
      },
    });
  });

  it('lets the run look where its tools and its sources say, taken together', () => {
    const { body } = readResponsesBody({
      input: 'Why?',
      tools: [
        { type: 'web_search', filters: { allowed_domains: ['a.org'], blocked_domains: ['b.org'] } },
        { type: 'file_search', vector_store_ids: [corpus] },
      ],
      sources: { corpora: [other], allow_domains: ['c.org'], urls: ['https://d.org/'] },
    });
    expect(body.sources).toEqual({
      web: true,
      corpora: [other, corpus],
      allow_domains: ['c.org', 'a.org'],
      deny_domains: ['b.org'],
      urls: ['https://d.org/'],
    });
  });

  it('keeps a run with documents off the web unless a tool lets it there', () => {
    const tools = [{ type: 'file_search', vector_store_ids: [corpus] }];
    expect(readResponsesBody({ input: 'Why?', tools }).body.sources).toEqual({ web: false, corpora: [corpus] });
  });

  it('bounds tools and output beside what its budget says', () => {
    const { body } = readResponsesBody({
      input: 'Why?',
      max_tool_calls: 3,
      max_output_tokens: 500,
      budget: { seconds: 60 },
    });
    expect(body.budget).toEqual({ seconds: 60, tool_calls: 3, output_tokens: 500 });
  });

  it('tells every fault at once, each by the name that the sender used', () => {
    const faults = faultsOf(readResponsesBody, {
      input: [
        { role: 'robot', content: 'x' },
        { role: 'user', content: [{ type: 'input_file' }] },
        { type: 'reasoning' },
      ],
      temperature: 0.5,
      conversation: 'conv_1',
      max_tool_calls: 0,
      text: { format: { type: 'json_object' } },
      include: ['file_search_call.results'],
      metadata: Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`k${index}`, 'v'])),
      budget: { steps: 0 },
    });
    expect(faults).toMatchObject({
      temperature: expect.stringContaining('not supported here'),
      conversation: expect.stringContaining('messages'),
      'input.0.role': expect.stringContaining('user, assistant'),
      'input.1.content.0.type': expect.stringContaining('only text'),
      'input.2.type': expect.stringContaining('only messages'),
      max_tool_calls: expect.any(String),
      'text.format.type': expect.stringContaining('json_schema'),
      'include.0': expect.stringContaining('web_search_call.action.sources'),
      metadata: expect.stringContaining('16'),
      'budget.steps': expect.any(String),
    });
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a list', []],
    ['a text', 'x'],
    ['an object without a question', {}],
    ['a field named as what all objects have', { input: 'x', constructor: 1, __proto__: { a: 1 } }],
  ])('that is %s is a fault of its own and no other error', (_, raw) => {
    expect(Object.keys(faultsOf(readResponsesBody, raw)).length).toBeGreaterThan(0);
    expect(Object.keys(faultsOf(readChatBody, raw)).length).toBeGreaterThan(0);
  });

  it('refuses instructions and conversations without bound', () => {
    expect(faultsOf(readResponsesBody, { input: 'x', instructions: 'y'.repeat(100_001) })).toEqual({
      input: expect.stringContaining('longer than 100000 characters'),
    });
    expect(faultsOf(readResponsesBody, { input: 'y'.repeat(20_001) })).toEqual({
      input: expect.stringContaining('longer than 20000 characters'),
    });
  });
});

describe('the body of a completion', () => {
  it('asks its last message, with the others above it, and searches the web where it says so', () => {
    const order = readChatBody({
      model: 'm',
      messages: [
        { role: 'developer', content: 'Be brief.' },
        { role: 'user', content: [{ type: 'text', text: 'One?' }] },
        { role: 'assistant', content: 'Two.', refusal: null, annotations: [] },
        { role: 'user', content: 'Three?' },
      ],
      web_search_options: {},
      max_tokens: 100,
    });
    expect(order).toEqual({
      body: { model: 'm', question: 'Three?', sources: { web: true }, budget: { output_tokens: 100 } },
      preface:
        'Instructions for your answer:\n\nBe brief.\n\nWhat was said before:\n\nUser: One?\n\nYou: Two.\n\nThe question:',
      stream: false,
      includeUsage: false,
    });
  });

  it('tells every fault at once, each by the name that the sender used', () => {
    const faults = faultsOf(readChatBody, {
      messages: [{ role: 'tool', content: 'x' }],
      n: 2,
      seed: 1,
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'string' } } },
      max_completion_tokens: 1,
    });
    expect(Object.keys(faults).sort()).toEqual([
      'max_completion_tokens',
      'messages.0.role',
      'n',
      'response_format.json_schema.schema',
      'seed',
    ]);
  });
});
