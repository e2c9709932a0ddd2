import { rm } from 'node:fs/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Aborted, InvalidInput } from '#errors';
import { loadTokenizer } from '#tokens';
import { type ModelServer, type ScriptedTurn, startModelServer } from '../../../test/support/model-server.ts';
import { tokenizerFolder } from '../../../test/support/tokenizer-folder.ts';
import { type ChatRequest, ModelFault } from './chat-model.ts';
import { type Clock, systemClock } from './clock.ts';
import { type OpenAiModelOptions, openAiModel } from './openai-model.ts';
import { openAiTools } from './openai-tools.ts';
import { tongyiV1 } from './tongyi.ts';

/** Waits that `passing` accepts pass at once and are noted; the others end only with their signal. */
class TestClock implements Clock {
  readonly slept: number[] = [];
  private time = Date.parse('2026-11-23T00:00:00Z');
  private readonly passing: (ms: number) => boolean;
  constructor(passing: (ms: number) => boolean = () => true) {
    this.passing = passing;
  }
  now(): number {
    return this.time;
  }
  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (this.passing(ms)) {
      this.slept.push(ms);
      this.time += ms;
      return Promise.resolve();
    }
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }
}

const FIRST_BYTE_MS = 111_111;
const IDLE_MS = 222_222;
const DEADLINE_MS = 999_999;
const WATCHES = [FIRST_BYTE_MS, IDLE_MS, DEADLINE_MS];
const ANSWER = '<answer>Blåbær 漢字 😀.</answer>';
const HALF = 'data: {"choices":[{"delta":{"content":"half"}}]}\n\n';
const retryNotes = (...only: number[]) =>
  new TestClock((ms) => (only.length > 0 ? only.includes(ms) : !WATCHES.includes(ms)));

const servers: ModelServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function serving(...script: ScriptedTurn[]): Promise<ModelServer> {
  const server = await startModelServer(script);
  servers.push(server);
  return server;
}

function modelAt(baseUrl: string, more: Partial<OpenAiModelOptions> = {}) {
  return openAiModel({
    baseUrl,
    model: 'tiny',
    profile: tongyiV1,
    contextTokens: 1000,
    firstByteMs: FIRST_BYTE_MS,
    idleMs: IDLE_MS,
    retry: { deadlineMs: DEADLINE_MS },
    clock: retryNotes(),
    random: () => 0,
    ...more,
  });
}

const request: ChatRequest = {
  turns: [{ role: 'question', text: 'Why?' }],
  tools: [],
  today: '2026-11-23',
  mustAnswer: false,
  maxCompletionTokens: 77,
  session: 'run é1',
};
const search = {
  name: 'search',
  description: 'Finds.',
  parameters: { type: 'object', properties: { query: { type: 'array', items: { type: 'string' } } } },
};
const never = new AbortController().signal;
const faultOf = async (reply: Promise<unknown>): Promise<ModelFault> => {
  const thrown = await reply.then(
    () => 'no fault',
    (error: unknown) => error,
  );
  if (!(thrown instanceof ModelFault)) throw new Error('expected a ModelFault', { cause: thrown });
  return thrown;
};
const fault = (status: number, headers: Record<string, string> = {}, message = 'server words') =>
  ({ fault: { kind: 'status', status, headers, message } }) as const;

describe('openAiModel: a reply', () => {
  it('is read right however the bytes are split, and its deltas make up the text', async () => {
    for (const writeBytes of [1, 7]) {
      const server = await serving({
        text: ANSWER,
        writeBytes,
        eventCharacters: 3,
        usage: { prompt: 9, completion: 4, cached: 6 },
      });
      const deltas: string[] = [];
      const reply = await modelAt(server.baseUrl).reply(request, never, (delta) => deltas.push(delta));
      expect(reply.text).toBe(ANSWER);
      expect(deltas.join('')).toBe(ANSWER);
      expect(reply.answer).toEqual([{ text: 'Blåbær 漢字 😀.', claim: true, citations: [] }]);
      expect(reply.usage).toEqual({ promptTokens: 9, cachedTokens: 6, completionTokens: 4 });
    }
  });

  it.each([true, false])(
    'is told the span that asks, with every try, where the operator wants it: %s',
    async (tellsTrace) => {
      const server = await serving({ fault: { kind: 'status', status: 503 } }, ANSWER);
      const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
      await modelAt(server.baseUrl, { tellsTrace }).reply({ ...request, traceparent }, never);
      const told = tellsTrace ? traceparent : undefined;
      expect(server.requests.map(({ headers }) => headers['traceparent'])).toEqual([told, told]);
    },
  );

  it('is asked for with the messages, sampling, stops, key and session of the request', async () => {
    const server = await serving(ANSWER);
    await modelAt(`${server.baseUrl}/`, { apiKey: 'sk-1' }).reply(request, never);
    const [sent] = server.requests;
    expect(sent?.headers['authorization']).toBe('Bearer sk-1');
    expect(sent?.headers['x-session-id']).toBe('run%20%C3%A91');
    expect(sent?.headers['traceparent']).toBeUndefined();
    expect(sent?.body).toEqual({
      model: 'tiny',
      messages: tongyiV1.render(request).messages,
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 77,
      temperature: 0.85,
      top_p: 0.95,
      presence_penalty: 1.1,
      stop: ['\n<tool_response>', '<tool_response>'],
    });
  });

  it('is asked for in the form of a schema in the field that its server takes, where nothing else is to be said', async () => {
    const outputSchema = {
      type: 'object',
      properties: { a: { $ref: '#/$defs/a' } },
      $defs: { a: { const: { $ref: '#' } } },
    };
    const asked = { ...request, mustAnswer: true, outputSchema };
    const said = '{"output": {}, "citations": {}}';
    const server = await serving(said, said, said, said);
    const fieldsOf = async (more: Partial<OpenAiModelOptions>, wanted: ChatRequest = asked) => {
      await modelAt(server.baseUrl, { profile: openAiTools, ...more }).reply(wanted, never);
      const { response_format, structured_outputs } = Object(server.requests.at(-1)?.body);
      return response_format?.json_schema ?? structured_outputs;
    };
    const moved = {
      type: 'object',
      properties: { a: { $ref: '#/properties/output/$defs/a' } },
      $defs: { a: { const: { $ref: '#' } } },
    };
    const schema = expect.objectContaining({ properties: { output: moved, citations: expect.anything() } });
    expect(await fieldsOf({ outputField: 'response_format' })).toEqual({ name: 'output', schema });
    expect(await fieldsOf({ outputField: 'structured_outputs' })).toEqual({ json: schema });
    expect(await fieldsOf({})).toBeUndefined();
    expect(await fieldsOf({ outputField: 'response_format', profile: tongyiV1 })).toBeUndefined();
  });

  it('has a usage marked as estimated when the server gives none', async () => {
    const server = await serving({ text: 'x'.repeat(41), usage: 'none' });
    const model = modelAt(server.baseUrl);
    const { usage } = await model.reply(request, never);
    expect(usage).toEqual({
      promptTokens: (await model.countPrompt(request)).tokens,
      cachedTokens: 0,
      completionTokens: 11,
      estimated: true,
    });
  });

  it("counts by the model's tokenizer when the server gives no usage", async () => {
    const folder = await tokenizerFolder();
    const tokenizer = await loadTokenizer(folder);
    await rm(folder, { recursive: true });
    const text = '<answer>Locks expire after 30 s.</answer>';
    const server = await serving({ text, usage: 'none' });
    const model = modelAt(server.baseUrl, { tokenizer });
    const { usage } = await model.reply(request, never);
    const prompt = tokenizer.renderChat(tongyiV1.render(request).messages, { addGenerationPrompt: true });
    expect(usage).toEqual({
      promptTokens: tokenizer.count(prompt),
      cachedTokens: 0,
      completionTokens: tokenizer.count(text),
    });
  });

  it('ends at a stop string that the server ignored, in text and deltas', async () => {
    const server = await serving('<answer>A.</answer>\n<tool_response>\ninvented');
    const deltas: string[] = [];
    const reply = await modelAt(server.baseUrl).reply(request, never, (delta) => deltas.push(delta));
    expect(reply.text).toBe('<answer>A.</answer>');
    expect(deltas.join('')).toBe(reply.text);
  });

  it('has separate reasoning put back between think tags', async () => {
    const server = await serving({ reasoning: 'why not', text: ANSWER });
    expect((await modelAt(server.baseUrl).reply(request, never)).text).toBe(`<think>\nwhy not\n</think>\n\n${ANSWER}`);
  });

  it('is asked for with the tools of native calling, and no sampling of ours', async () => {
    const server = await serving('Rain.');
    await modelAt(server.baseUrl, { profile: openAiTools }).reply({ ...request, tools: [search] }, never);
    expect(server.requests[0]?.body).toEqual({
      model: 'tiny',
      messages: [expect.anything(), ...openAiTools.render(request).messages.slice(1)],
      tools: [{ type: 'function', function: search }],
      tool_choice: 'auto',
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 77,
    });
  });

  it('has the native calls put together, streamed or not, and thinking beside them kept', async () => {
    const calls = [
      { name: 'search', args: '{"query": ["漢字 😀"]}' },
      { name: 'search', args: '{"query": ["b"]}' },
    ];
    const whole = {
      choices: [{ message: { tool_calls: calls.map(({ name, args }) => ({ function: { name, arguments: args } })) } }],
    };
    const page = { kind: 'page', type: 'application/json', body: JSON.stringify(whole) } as const;
    const server = await serving({ reasoning: 'why', calls, eventCharacters: 2, writeBytes: 5 }, { fault: page });
    const model = modelAt(server.baseUrl, { profile: openAiTools });
    const expected = [
      { tool: 'search', args: { query: ['漢字 😀'] } },
      { tool: 'search', args: { query: ['b'] } },
    ];
    expect(await model.reply({ ...request, tools: [search] }, never)).toMatchObject({
      text: '<think>\nwhy\n</think>',
      calls: expected,
    });
    expect(await model.reply({ ...request, tools: [search] }, never)).toMatchObject({ text: '', calls: expected });
  });

  it("is a refusal's words where the server sends them apart", async () => {
    const body = JSON.stringify({ choices: [{ message: { content: null, refusal: 'I will not.' } }] });
    const server = await serving({ fault: { kind: 'page', type: 'application/json', body } });
    const reply = await modelAt(server.baseUrl, { profile: openAiTools }).reply(request, never);
    expect(reply.answer).toEqual([{ text: 'I will not.', claim: true, citations: [] }]);
  });

  it('asks for no more tokens than the profile was trained for', async () => {
    const server = await serving(ANSWER, 'Rain.');
    await modelAt(server.baseUrl).reply({ ...request, maxCompletionTokens: 50_000 }, never);
    await modelAt(server.baseUrl, { profile: openAiTools }).reply({ ...request, maxCompletionTokens: 50_000 }, never);
    expect(server.requests.map(({ body }) => body.max_tokens)).toEqual([10_000, 50_000]);
    expect(modelAt(server.baseUrl, { contextTokens: 1e6 }).contextTokens).toBe(131_072);
  });

  it('that runs in a circle is stopped early, told to the model, and paid for as it came', async () => {
    const server = await serving({
      text: `<think>${'Search again. '.repeat(20_000)}`,
      eventCharacters: 500,
      usage: 'none',
    });
    const reply = await modelAt(server.baseUrl).reply({ ...request, maxCompletionTokens: 10_000 }, never);
    expect(reply.problem).toMatch(/wrote the same thing \d+ times over and was stopped/);
    expect(reply.text).toBe('<think>Search again. ');
    expect(reply.usage.completionTokens).toBe(2_500 / 4);
  });

  it('that never ends is cut where a server that keeps its limit would have ended it', async () => {
    const endless = Array.from({ length: 20_000 }, (_, i) => `${i} `).join('');
    const server = await serving({ text: `<think>${endless}`, eventCharacters: 100 });
    const { text, problem } = await modelAt(server.baseUrl).reply(request, never);
    expect(problem).toMatch(/never closed it.*cut at its limit of 77 tokens/s);
    expect(text.length).toBeLessThan(77 * 32 + 200);
  });

  it('is taken from a server that does not stream', async () => {
    const body = JSON.stringify({ choices: [{ message: { content: ANSWER } }] });
    const server = await serving({ fault: { kind: 'page', type: 'application/json', body } });
    expect((await modelAt(server.baseUrl).reply(request, never)).text).toBe(ANSWER);
  });

  it('tells the model when its problem came from the length limit', async () => {
    const server = await serving({ text: '<tool_call>{"name', finishReason: 'length' });
    expect((await modelAt(server.baseUrl).reply(request, never)).problem).toMatch(/never closed.*limit of 77 tokens/s);
  });
});

describe('openAiModel: faults that pass', () => {
  it.each<[string, ScriptedTurn]>([
    ['status 503', fault(503)],
    ['a stream cut off', { text: ANSWER, fault: { kind: 'cut', afterBytes: 150 } }],
    ['a stream ended early', { text: ANSWER, fault: { kind: 'end', afterBytes: 150 } }],
    ['a stream ended between events', { fault: { kind: 'page', type: 'text/event-stream', body: HALF } }],
    [
      'an error inside the stream',
      { text: 'x', fault: { kind: 'error-event', error: { message: 'out of memory', code: 500 } } },
    ],
    ['an empty reply', ' \n'],
  ])('%s is tried again', async (_, turn) => {
    const server = await serving(turn, ANSWER);
    expect((await modelAt(server.baseUrl).reply(request, never)).text).toBe(ANSWER);
  });

  it('are tried four times with growing waits, then told with the words of the server', async () => {
    const server = await serving(fault(500), fault(502), fault(500), fault(503));
    const clock = retryNotes();
    const thrown = await faultOf(modelAt(server.baseUrl, { clock }).reply(request, never));
    expect(thrown).toMatchObject({ kind: 'transient', retryable: true });
    expect(thrown.message).toMatch(/refused with 503: server words\..*Tried 4 times/);
    expect(clock.slept).toEqual([500, 1000, 2000]);
  });

  it('are waited for up to half as long when the dice say so', async () => {
    const clock = retryNotes();
    const server = await serving(fault(500), ANSWER);
    await modelAt(server.baseUrl, { clock, random: () => 0.999 }).reply(request, never);
    expect(clock.slept).toEqual([250]);
  });

  it.each([
    ['seconds', '7', 7000],
    ['a date', 'Mon, 23 Nov 2026 00:00:09 GMT', 9000],
    ['a date gone by', 'Sun, 22 Nov 2026 00:00:00 GMT', 0],
    ['more than a minute', '3600', 60_000],
    ['nonsense', 'soon', 500],
  ])('429 waits as Retry-After says: %s', async (_, value, waitMs) => {
    const clock = retryNotes();
    const server = await serving(fault(429, { 'retry-after': value }), ANSWER);
    await modelAt(server.baseUrl, { clock }).reply(request, never);
    expect(clock.slept).toEqual([waitMs]);
  });

  it('an empty reply to the end is a fault that tells why the server says it ended', async () => {
    const empty: ScriptedTurn = { text: '\n', finishReason: 'content_filter' };
    const server = await serving(empty, empty, empty, empty);
    const thrown = await faultOf(modelAt(server.baseUrl).reply(request, never));
    expect(thrown.message).toMatch(/sent an empty reply \(finish reason "content_filter"\)\. .*Tried 4 times/);
  });

  it('429 to the end is a quota fault', async () => {
    const server = await serving(fault(429), fault(429), fault(429), fault(429));
    expect((await faultOf(modelAt(server.baseUrl).reply(request, never))).kind).toBe('quota');
  });

  it('a server that accepts and never answers is given up after the first-byte limit', async () => {
    const hang: ScriptedTurn = { fault: { kind: 'hang' } };
    const server = await serving(hang, hang);
    const model = modelAt(server.baseUrl, {
      clock: retryNotes(FIRST_BYTE_MS, 500),
      retry: { tries: 2, deadlineMs: DEADLINE_MS },
    });
    expect((await faultOf(model.reply(request, never))).message).toMatch(/sent nothing for 111111 ms.*Tried 2 times/);
  });

  it('a server that falls silent in the middle is given up after the idle limit', async () => {
    const server = await serving({ text: ANSWER, fault: { kind: 'hang', afterBytes: 150 } }, ANSWER);
    const model = modelAt(server.baseUrl, { idleMs: 25, retry: { tries: 1 }, clock: systemClock });
    expect((await faultOf(model.reply(request, never))).message).toMatch(/sent nothing for 25 ms/);
  });

  it('stop at the deadline of the whole call instead of waiting past it', async () => {
    const server = await serving(fault(500), ANSWER);
    const model = modelAt(server.baseUrl, { retry: { deadlineMs: 400 }, clock: retryNotes(1) });
    expect((await faultOf(model.reply(request, never))).message).toMatch(/Given up after 1 try: 400 ms/);
    expect(server.requests).toHaveLength(1);
  });
});

describe('openAiModel: another model in the middle of a run', () => {
  const at = (server: ModelServer) => modelAt(server.baseUrl, { retry: { tries: 2, deadlineMs: DEADLINE_MS } });
  const by = (model: string): ScriptedTurn => ({ text: ANSWER, model });

  it('is asked again and then refused, with both names', async () => {
    const server = await serving(by('big-1'), by('small'), by('small'));
    const model = at(server);
    await model.reply(request, never);
    const thrown = await faultOf(model.reply(request, never));
    expect(thrown.kind).toBe('transient');
    expect(thrown.message).toMatch(/answers as "small", but this run began with "big-1".*one model/);
  });

  it('is passed over when the first one comes back', async () => {
    const server = await serving(by('big-1'), by('small'), by('big-1'));
    const model = at(server);
    await model.reply(request, never);
    expect((await model.reply(request, never)).text).toBe(ANSWER);
  });

  it('is nothing to other runs', async () => {
    const server = await serving(by('big-1'), by('small'));
    const model = at(server);
    await model.reply(request, never);
    const other = { ...request, turns: [{ role: 'question', text: 'Why?' } as const] };
    expect((await model.reply(other, never)).text).toBe(ANSWER);
  });
});

describe('openAiModel: faults that stay', () => {
  it.each([
    [400, 'invalid', /server words.*context length/],
    [401, 'blocked', /Set the API key/],
    [403, 'blocked', /may use the model "tiny"/],
    [404, 'invalid', /"tiny" is served: curl http:.*\/v1\/models/],
    [422, 'invalid', /server words/],
    [307, 'invalid', /points to http:\/\/other/],
  ])('%d fails at once and says what to do', async (status, kind, message) => {
    const server = await serving(fault(status, { location: 'http://other' }), ANSWER);
    const thrown = await faultOf(modelAt(server.baseUrl).reply(request, never));
    expect(thrown).toMatchObject({ kind, retryable: false });
    expect(thrown.message).toMatch(message);
    expect(server.requests).toHaveLength(1);
  });

  it('a web page in place of a reply points at the base URL', async () => {
    const server = await serving({ fault: { kind: 'page', type: 'text/html', body: '<html>' } });
    expect((await faultOf(modelAt(server.baseUrl).reply(request, never))).message).toMatch(/a web page.*end in \/v1/);
  });

  it('never repeat the key that the server echoes', async () => {
    const server = await serving(fault(401, {}, 'wrong key sk-secret.'));
    const thrown = await faultOf(modelAt(server.baseUrl, { apiKey: 'sk-secret' }).reply(request, never));
    expect(thrown.message).toContain('wrong key ***. Set');
  });

  it('nothing listening names the URL and says how to check it', async () => {
    const server = await serving();
    await server.close();
    servers.pop();
    const thrown = await faultOf(modelAt(server.baseUrl).reply(request, never));
    expect(thrown.kind).toBe('transient');
    expect(thrown.message).toMatch(
      /No model server answers at http:\/\/127.*\/v1 \(.*ECONNREFUSED.*curl http:.*\/v1\/models.*Tried 4 times/,
    );
  });

  it('a URL or key that cannot be used is refused before any call', () => {
    expect(() => modelAt('nowhere', { apiKey: 'a\nb' })).toThrow(InvalidInput);
    expect(() => modelAt('nowhere', { apiKey: 'a\nb' })).toThrow(/baseUrl: .*\napiKey: /);
  });

  it("an error of the listener is the caller's own and is not tried again", async () => {
    const server = await serving(ANSWER, ANSWER);
    const bug = new Error('bug');
    const reply = modelAt(server.baseUrl).reply(request, never, () => {
      throw bug;
    });
    await expect(reply).rejects.toBe(bug);
    expect(server.requests).toHaveLength(1);
  });
});

describe('openAiModel: abort', () => {
  it('stops a call that waits for its first byte', async () => {
    const server = await serving({ fault: { kind: 'hang' } });
    const caller = new AbortController();
    const reply = modelAt(server.baseUrl).reply(request, caller.signal);
    await server.arrived(1);
    caller.abort(new Error('the user cancelled'));
    await expect(reply).rejects.toThrow(Aborted);
    await expect(reply).rejects.toThrow(/the user cancelled/);
  });

  it('stops in the middle of a stream', async () => {
    const server = await serving({ text: ANSWER, fault: { kind: 'hang', afterBytes: 400 } });
    const caller = new AbortController();
    const reply = modelAt(server.baseUrl).reply(request, caller.signal, () => caller.abort());
    await expect(reply).rejects.toThrow(Aborted);
  });

  it('stops a wait between tries', async () => {
    const server = await serving(fault(429, { 'retry-after': '50' }), ANSWER);
    const caller = new AbortController();
    const clock: Clock = {
      now: () => 0,
      sleep: (ms, signal) => {
        if (ms === 50_000) queueMicrotask(() => caller.abort());
        return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      },
    };
    await expect(modelAt(server.baseUrl, { clock }).reply(request, caller.signal)).rejects.toThrow(Aborted);
    expect(server.requests).toHaveLength(1);
  });

  it('asks nobody when the signal has already fired', async () => {
    const server = await serving(ANSWER);
    await expect(modelAt(server.baseUrl).reply(request, AbortSignal.abort())).rejects.toThrow(Aborted);
    expect(server.requests).toHaveLength(0);
  });
});
