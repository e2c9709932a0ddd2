import { beforeAll, describe, expect, it } from '@jest/globals';
import OpenAI from 'openai';
import type { Response as OpenAiResponse, ResponseStreamEvent } from 'openai/resources/responses/responses';
import { responseResource, scopes } from '#contracts';
import { answeringCorpus, describedFetch, useAnsweringGateway } from '../../../../test/support/answering-gateway.ts';
import { eventually } from '../../../../test/support/argosy.ts';
import { thinkAndAnswer, thinkAndCall } from '../../../../test/support/scripted-research.ts';
import { Refusal } from '../access/refusal.ts';

const quote = 'every ninety minutes';
const claim = 'Die Fähre 🚢 fährt alle neunzig Minuten.';
const answer = `## Ahoi 🚢\n\n${claim} [1]`;

/** A run with this in its question waits until it is cancelled. */
const hold = 'Hold on.';
/** The model of a run with this in its question never fills a schema. */
const clumsy = 'Clumsily.';

const stack = useAnsweringGateway(
  (prompt, { turns, outputSchema }) => {
    if (prompt.includes(hold)) return null;
    if (outputSchema !== undefined) {
      const output = prompt.includes(clumsy) ? 'often' : { minutes: 90, 'how/often': quote };
      return thinkAndAnswer(JSON.stringify({ output, citations: { '/how~1often': [{ source: 's1', quote }] } }));
    }
    if (!turns.some(({ role }) => role === 'tools')) return thinkAndCall('search', { query: ['ferry', 'Halloway'] });
    return thinkAndAnswer(`## Ahoi 🚢\n\n${claim} <cite source="s1">${quote}</cite>`);
  },
  { answerPatience: { endMs: 60_000, cancelMs: 60_000 } },
);

let client: OpenAI;
beforeAll(async () => {
  const { url } = stack().gateway;
  client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0, fetch: await describedFetch(url) });
});

const sources = { corpora: [answeringCorpus] };
type Body = Parameters<OpenAI['responses']['create']>[0];

/** A request with fields of our own. */
function asked(fields: object = {}): Body {
  return { model: 'scripted', input: 'How often does the ferry leave?', sources, ...fields } as Body; // beyond the client's types
}

async function answered(fields: object = {}): Promise<OpenAiResponse> {
  const response = await client.responses.create({ ...asked(fields), stream: false });
  // The client adds this one.
  const { output_text, ...plain } = response;
  responseResource.strict().parse(plain);
  return response;
}

function textOf(response: OpenAiResponse) {
  const message = response.output.find((item) => item.type === 'message');
  const [part] = message?.content ?? [];
  if (part?.type !== 'output_text') throw new Error('The response says nothing.');
  return part;
}

/** What an annotation marks, as the protocol's own examples slice. */
function marked(text: string, { start_index, end_index }: { start_index: number; end_index: number }): string {
  return [...text].slice(start_index, end_index).join('');
}

/** Ids of the runs with this label. */
async function runsOf(label: string): Promise<string[]> {
  const runs = await stack().runs.list('local', { before: null, limit: 100 });
  return runs.filter(({ metadata }) => label in metadata).map(({ runId }) => runId);
}

async function refusal(work: Promise<unknown>) {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof OpenAI.APIError)) throw new Error(`It was not refused: ${String(error)}`);
  const { status, code, param, type, message } = error;
  return { status, code, param, type, message };
}

describe('a response that is waited for', () => {
  let response: OpenAiResponse;
  beforeAll(async () => {
    response = await answered({ metadata: { team: 'a' } });
  });

  it('has the answer, and of what was looked up and spent an account', () => {
    expect(response).toMatchObject({
      object: 'response',
      status: 'completed',
      model: 'scripted',
      metadata: { team: 'a' },
      error: null,
      incomplete_details: null,
      usage: { input_tokens: 200, input_tokens_details: { cached_tokens: 80 }, output_tokens: 20, total_tokens: 220 },
    });
    expect(response.id).toMatch(/^resp_[0-9a-f]{32}$/);
    expect(response.output_text).toBe(answer);
    expect(response.output).toMatchObject([
      { type: 'file_search_call', status: 'completed', queries: ['ferry', 'Halloway'] },
      { type: 'message', role: 'assistant', status: 'completed' },
    ]);
    expect(Math.abs(response.created_at - Date.now() / 1000)).toBeLessThan(60);
  });

  it('marks each claim with its source, counted in code points', () => {
    const { text, annotations } = textOf(response);
    expect(annotations).toEqual([
      {
        type: 'url_citation',
        url: expect.stringMatching(/^https:/),
        title: 'A page',
        start_index: expect.any(Number),
        end_index: expect.any(Number),
      },
    ]);
    for (const annotation of annotations) {
      if (annotation.type === 'url_citation') expect(marked(text, annotation)).toBe(claim);
    }
  });

  it('is the same when it is retrieved, and a run like any other', async () => {
    expect(await client.responses.retrieve(response.id)).toEqual(response);
    const run = await fetch(`${stack().gateway.url}/v1/research/${response.id.replace('resp_', 'run_')}`);
    expect(await run.json()).toMatchObject({ status: 'completed', question: 'How often does the ferry leave?' });
  });

  it('of a run that came by another protocol is told as well', async () => {
    const accepted = await fetch(`${stack().gateway.url}/v1/research`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ question: 'How often?', sources }),
    });
    const { id } = (await accepted.json()) as { id: string };
    const events: ResponseStreamEvent[] = [];
    const stream = await client.responses.retrieve(id.replace('run_', 'resp_'), { stream: true });
    for await (const event of stream) events.push(event);
    expect(events.at(-1)).toMatchObject({ type: 'response.completed', response: { background: true } });
  });
});

describe('a conversation', () => {
  it('is told to the model above the question, instructions first', async () => {
    const before = stack().prompts.length;
    const first = await answered({ instructions: 'Answer in German.' });
    await answered({
      input: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Where does the ferry go?' },
        ...first.output,
        { role: 'user', content: [{ type: 'input_text', text: 'And how often?' }] },
      ],
    });
    const [alone, , later] = stack().prompts.slice(before);
    expect(alone).toMatch(/Instructions for your answer:\n\nAnswer in German\.\n\nThe question:\n\nHow often does/);
    expect(later).toContain(
      `Be brief.\n\nWhat was said before:\n\nUser: Where does the ferry go?\n\nYou: ${textOf(first).text}\n\nThe question:\n\nAnd how often?`,
    );
  });

  it('is listed as it was sent, newest first', async () => {
    const input = [
      { role: 'user' as const, content: 'One.' },
      { role: 'assistant' as const, content: 'Two.' },
      { role: 'user' as const, content: [{ type: 'input_text' as const, text: 'Three.' }] },
    ];
    const { id } = await answered({ input });
    const page = await client.responses.inputItems.list(id, { limit: 2 });
    expect(page).toMatchObject({ has_more: true });
    expect(page.data).toMatchObject([
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Three.' }] },
      { role: 'assistant', content: [{ type: 'output_text', text: 'Two.' }] },
    ]);
    const all = [];
    for await (const item of client.responses.inputItems.list(id, { limit: 2, order: 'asc' })) all.push(item);
    expect(all).toMatchObject([{ role: 'user', content: [{ text: 'One.' }] }, { role: 'assistant' }, { role: 'user' }]);
  });
});

describe('an object that is to fit a schema', () => {
  const schema = {
    type: 'object',
    properties: { minutes: { type: 'integer' }, 'how/often': { type: 'string' } },
    required: ['minutes'],
  };
  const text = { format: { type: 'json_schema', name: 'ferry', schema, strict: true } };

  it('is the text of the response, with the proofs of its fields', async () => {
    const response = await client.responses.parse(asked({ text }) as never);
    expect(response.output_parsed).toEqual({ minutes: 90, 'how/often': quote });
    const part = textOf(response as OpenAiResponse);
    const [annotation] = part.annotations;
    expect(annotation?.type === 'url_citation' && marked(part.text, annotation)).toBe(JSON.stringify(quote));
    expect(response.text).toEqual({ format: text.format });
  });

  it('that cannot be had fails the response, which says why and keeps the answer', async () => {
    const response = await answered({ input: clumsy, text });
    expect(response).toMatchObject({
      status: 'failed',
      error: { code: 'server_error', message: expect.stringMatching(/schema/) },
    });
    expect(response.output_text).toContain(claim);
  });

  it('is refused with a schema that cannot be used', async () => {
    const format = { type: 'json_schema', name: 'bad', schema: { type: 'array' } };
    expect(await refusal(answered({ text: { format } }))).toMatchObject({
      status: 400,
      type: 'invalid_request_error',
      param: 'text.format.schema',
    });
  });
});

/** Events of a stream, however it was asked for. */
async function eventsOf(stream: AsyncIterable<ResponseStreamEvent>): Promise<ResponseStreamEvent[]> {
  const events: ResponseStreamEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

async function streamed(fields: object = {}): Promise<ResponseStreamEvent[]> {
  return await eventsOf(await client.responses.create({ ...asked(fields), stream: true }));
}

describe('a stream', () => {
  let events: ResponseStreamEvent[];
  let id: string;
  beforeAll(async () => {
    events = await streamed();
    const [first] = events;
    id = first?.type === 'response.created' ? first.response.id : '';
  });

  it('tells in order of the look-ups, the text, its citations and the end', () => {
    const types = events.map(({ type }) => type).filter((type, index, all) => type !== all[index - 1]);
    expect(types).toEqual([
      'response.created',
      'response.queued',
      'response.in_progress',
      'response.output_item.added',
      'response.file_search_call.in_progress',
      'response.file_search_call.searching',
      'response.file_search_call.completed',
      'response.output_item.done',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.annotation.added',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(events.map((event) => 'sequence_number' in event && event.sequence_number)).toEqual(events.map((_, i) => i));
  });

  it('brings the answer piece by piece, and ends with the whole response', async () => {
    const deltas = events.map((event) => (event.type === 'response.output_text.delta' ? event.delta : ''));
    expect(deltas.join('')).toBe(answer);
    const { output_text, ...retrieved } = await client.responses.retrieve(id);
    expect(events.at(-1)).toMatchObject({ type: 'response.completed', response: retrieved });
  });

  it('goes on behind every event exactly as it went the first time', async () => {
    for (const starting_after of events.keys()) {
      const rest = await eventsOf(await client.responses.retrieve(id, { stream: true, starting_after }));
      expect(rest).toEqual(events.slice(starting_after + 1));
    }
  });

  it('is put together by the helper of the official client, also when it is taken up late', async () => {
    const final = await client.responses.stream(asked() as never).finalResponse();
    expect(final).toMatchObject({ status: 'completed', output_text: answer });
    const late = client.responses.stream({ response_id: id, starting_after: 7 });
    expect((await eventsOf(late)).at(0)).toMatchObject({ sequence_number: 8 });
    expect(textOf((await late.finalResponse()) as OpenAiResponse).annotations).toHaveLength(1);
  });

  it('is given up by a client that leaves, and the run goes on', async () => {
    const stream = await client.responses.create({ ...asked(), stream: true });
    let left = '';
    for await (const event of stream) {
      if (event.type === 'response.created') left = event.response.id;
      break;
    }
    const rest = await eventsOf(await client.responses.retrieve(left, { stream: true }));
    expect(rest.at(-1)?.type).toBe('response.completed');
  });
});

/** Resolves when the model was asked for the run with this in its question. */
async function underWay(question: string): Promise<void> {
  await eventually(async () => stack().prompts.find((prompt) => prompt.includes(question)) ?? null, question);
}

describe('a response in the background', () => {
  it('is there at once, and can be cancelled, twice', async () => {
    const { id, status, output_text } = await answered({ input: hold, background: true });
    expect([status, output_text]).toEqual(['queued', '']);
    const stream = eventsOf(await client.responses.retrieve(id, { stream: true }));
    const cancelled = await client.responses.cancel(id);
    expect(cancelled).toMatchObject({ id, status: 'cancelled', background: true, incomplete_details: null });
    expect(await client.responses.cancel(id)).toEqual(cancelled);
    expect((await stream).at(-1)).toMatchObject({ type: 'response.incomplete', response: { status: 'cancelled' } });
    expect(await client.responses.stream({ response_id: id }).finalResponse()).toMatchObject({ status: 'cancelled' });
  });

  it('that has ended is not cancelled any more', async () => {
    const { id } = await answered();
    expect(await refusal(client.responses.cancel(id))).toMatchObject({
      status: 400,
      code: 'invalid_state',
      message: expect.stringContaining('is completed'),
    });
  });
});

describe('a response that is deleted', () => {
  it('is gone, with its run, once and for all', async () => {
    const { id } = await answered();
    await client.responses.delete(id);
    const gone = { status: 404, code: 'not_found', type: 'invalid_request_error' };
    expect(await refusal(client.responses.retrieve(id))).toMatchObject(gone);
    expect(await refusal(client.responses.inputItems.list(id))).toMatchObject(gone);
    expect(await refusal(client.responses.delete(id))).toMatchObject(gone);
  });

  it('while it runs ends those who follow it', async () => {
    const { id } = await answered({ input: `${hold} Delete me.`, background: true });
    const stream = eventsOf(await client.responses.retrieve(id, { stream: true }));
    await underWay('Delete me.');
    await client.responses.delete(id);
    expect((await stream).at(-1)).toMatchObject({ type: 'response.in_progress' });
  });
});

describe('a budget', () => {
  it('of tool calls leaves further ones unmade, and the response is complete', async () => {
    const response = await answered({ max_tool_calls: 1 });
    expect(response).toMatchObject({ status: 'completed', max_tool_calls: 1, output_text: answer });
  });

  it('of output tokens ends the response incomplete, as the protocol tells it', async () => {
    const response = await answered({ max_output_tokens: 16 });
    expect(response).toMatchObject({
      status: 'incomplete',
      max_output_tokens: 16,
      incomplete_details: { reason: 'max_output_tokens', message: expect.stringContaining('budget.output_tokens') },
    });
  });

  it('of a run is passed on, and told by its own reason', async () => {
    const response = await answered({ budget: { steps: 1 } });
    expect(response).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_steps' } });
  });
});

/** What a request of its own form is answered with. */
async function post(url: string, fields: object, init: RequestInit = {}): Promise<Response> {
  const headers = { 'content-type': 'application/json', ...init.headers };
  return await fetch(`${url}/v1/responses`, { ...init, method: 'POST', headers, body: JSON.stringify(asked(fields)) });
}

describe('the wait for an end', () => {
  it('has a limit, after which the response is given as it is', async () => {
    const gateway = await stack().another({ answerPatience: { endMs: 200, cancelMs: 100 } });
    const response = (await (await post(gateway.url, { input: hold })).json()) as OpenAiResponse;
    expect(response.status).toMatch(/^(?:queued|in_progress)$/);
    expect(await client.responses.cancel(response.id)).toMatchObject({ status: 'cancelled' });
    await gateway.stop();
  });

  it('ends with the server that waits, and the run goes on', async () => {
    const gateway = await stack().another({});
    const input = `${hold} The server stops.`;
    const waited = post(gateway.url, { input });
    await underWay(input);
    await gateway.stop();
    const response = (await (await waited).json()) as OpenAiResponse;
    expect(response).toMatchObject({ status: 'in_progress', output: [] });
    expect(await client.responses.retrieve(response.id)).toMatchObject({ status: 'in_progress' });
    await client.responses.cancel(response.id);
  });

  it('is no work: others are served while as many wait as may be worked on', async () => {
    const gateway = await stack().another({ crowd: 1 });
    const input = `${hold} Everybody waits.`;
    const waited = post(gateway.url, { input });
    await underWay(input);
    const others = await fetch(`${gateway.url}/v1/models`);
    await gateway.stop();
    const { id } = (await (await waited).json()) as OpenAiResponse;
    expect(others.status).toBe(200);
    await client.responses.cancel(id);
  });

  it('of a client that leaves ends nothing: whoever sends the request again under its key is given the same run', async () => {
    const headers = { 'idempotency-key': 'left' };
    const metadata = { left: 'yes' };
    const left = new AbortController();
    const first = post(stack().gateway.url, { metadata }, { headers, signal: left.signal });
    first.catch(() => undefined);
    await eventually(async () => ((await runsOf('left')).length > 0 ? true : null), 'the run');
    left.abort();
    const again = (await (await post(stack().gateway.url, { metadata }, { headers })).json()) as OpenAiResponse;
    expect(again.status).toBe('completed');
    expect(await runsOf('left')).toEqual([again.id.replace('resp_', 'run_')]);
  });

  it('ends for a caller who may not go on, on a stream with a word', async () => {
    const ends = new AbortController();
    const caller = { tenantId: 'local', keyId: 'k', scopes: new Set(scopes), limits: null, ends: ends.signal };
    const gateway = await stack().another({ admission: { admit: async () => caller } });
    const input = `${hold} The key goes.`;
    const [waited, streamed] = [post(gateway.url, { input }), post(gateway.url, { input, stream: true })];
    const reader = (await streamed).text();
    await underWay(input);
    ends.abort();
    expect(await reader).toMatch(/\n\n: this key is no longer accepted\n\n$/);
    const refused = await waited;
    expect(refused.status).toBe(401);
    expect(await refused.json()).toMatchObject({ error: { type: 'authentication_error', code: 'invalid_api_key' } });
    await gateway.stop();
  });

  it('answers a repeated request under one Idempotency-Key with the same response, and refuses another', async () => {
    const headers = { 'idempotency-key': 'once' };
    const create = (fields: object) => client.responses.create({ ...asked(fields), stream: false }, { headers });
    const [one, two] = await Promise.all([create({}), create({})]);
    expect(two).toEqual(one);
    expect(await refusal(create({ input: 'Something else?' }))).toMatchObject({
      status: 400,
      code: 'idempotency_conflict',
    });
  });
});

describe('a request that cannot be served', () => {
  it.each<[string, object, string | null, RegExp]>([
    ['an unknown field', { colour: 'red' }, null, /"colour"/],
    ['an earlier response', { previous_response_id: 'resp_1' }, 'previous_response_id', /messages in input/],
    ['a temperature', { temperature: 0.2 }, 'temperature', /not supported here/],
    ['several at once', { user: 'u', top_p: 0.5 }, 'user', /user: .*\ntop_p: /],
    [
      'an image',
      { input: [{ role: 'user', content: [{ type: 'input_image' }] }] },
      'input.0.content.0.type',
      /only text/,
    ],
    [
      'a conversation that ends with an answer',
      { input: [{ role: 'assistant', content: 'x' }] },
      'input',
      /last message/,
    ],
    ['no question', { input: '' }, 'input', /empty/],
    ['a function', { tools: [{ type: 'function', name: 'f' }] }, 'tools.0.type', /web_search and file_search/],
    [
      'sources that contradict a tool',
      { tools: [{ type: 'web_search' }], sources: { web: false } },
      'sources.web',
      /web_search/,
    ],
    ['a wrong budget', { budget: { steps: 0 } }, 'budget.steps', /./],
    ['too small a limit', { max_output_tokens: 1 }, 'max_output_tokens', /16/],
    [
      'a corpus that nobody has',
      { tools: [{ type: 'file_search', vector_store_ids: ['c_ffffffffffffffff'] }] },
      'sources.corpora',
      /no corpus/,
    ],
    ['instructions without a reader', { model: 'extractive', instructions: 'x' }, 'input', /language model/],
    [
      'a schema without an author',
      { model: 'extractive', text: { format: { type: 'json_schema', name: 'x', schema: { type: 'object' } } } },
      'text.format.schema',
      /language model/,
    ],
    ['a NUL character', { input: 'a\u0000b' }, 'input', /NUL/],
  ])('is refused, as for %s', async (_, fields, param, words) => {
    const told = await refusal(answered(fields));
    expect(told).toMatchObject({ status: 400, code: 'validation_failed', type: 'invalid_request_error' });
    expect(told.param ?? null).toBe(param);
    expect(told.message).toMatch(words);
  });

  it.each<[string, object]>([
    ['null for whatever is not wanted', { temperature: null, previous_response_id: null, tools: null, text: null }],
    ['what happens anyway', { temperature: 1, store: true, parallel_tool_calls: true, tool_choice: 'auto', tools: [] }],
  ])('is served with %s', async (_, fields) => {
    expect(await answered(fields)).toMatchObject({ status: 'completed' });
  });

  it('is told of a model that is not there as the protocol tells it', async () => {
    expect(await refusal(answered({ model: 'gpt-x' }))).toMatchObject({
      status: 404,
      code: 'model_not_found',
      param: 'model',
    });
  });

  it.each([
    ['a response that is not there', 'resp_00'],
    ['an id of a run', 'run_00'],
    ['an id that is none', 'resp_../x'],
  ])('is told of %s', async (_, id) => {
    const none = { status: 404, code: 'not_found', type: 'invalid_request_error', param: null };
    expect(await refusal(client.responses.retrieve(id))).toMatchObject(none);
    expect(await refusal(client.responses.cancel(id))).toMatchObject(none);
  });

  it('is told by its own form of who may not ask now, and when to come again', async () => {
    const refuse = async () => {
      throw new Refusal('Too many.', { status: 429, code: 'rate_limited', headers: { 'retry-after': '7' } });
    };
    const gateway = await stack().another({ admission: { admit: refuse } });
    const response = await post(gateway.url, {});
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '7']);
    expect(await response.json()).toEqual({
      error: { message: 'Too many.', type: 'rate_limit_error', param: null, code: 'rate_limited' },
    });
    await gateway.stop();
  });

  it('is told by its own form also of what never reached a handler', async () => {
    const response = await fetch(`${stack().gateway.url}/v1/responses`, {
      method: 'POST',
      body: '{',
      headers: { 'content-type': 'application/json' },
    });
    expect(response.status).toBe(400);
    expect(response.headers.get('x-request-id')).toMatch(/^req_/);
    expect(await response.json()).toEqual({
      error: { message: expect.any(String), type: 'invalid_request_error', param: null, code: 'bad_request' },
    });
  });
});
