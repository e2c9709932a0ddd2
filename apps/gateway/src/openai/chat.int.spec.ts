import { beforeAll, describe, expect, it } from '@jest/globals';
import OpenAI from 'openai';
import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';
import { chatCompletion } from '#contracts';
import { answeringCorpus, describedFetch, useAnsweringGateway } from '../../../../test/support/answering-gateway.ts';
import { thinkAndAnswer, thinkAndCall } from '../../../../test/support/scripted-research.ts';

const quote = 'every ninety minutes';
const claim = 'The ferry ⛴️ leaves often.';
const answer = `## Ferry 🚢\n\n${claim} [1]`;

/** A run with this in its question outlasts every wait. */
const slow = 'Slowly.';

const stack = useAnsweringGateway(
  (prompt, { turns, outputSchema }) => {
    if (prompt.includes(slow)) return null;
    if (outputSchema !== undefined) return thinkAndAnswer(JSON.stringify({ output: { often: true }, citations: {} }));
    if (!turns.some(({ role }) => role === 'tools')) return thinkAndCall('search', { query: ['ferry'] });
    return thinkAndAnswer(`## Ferry 🚢\n\n${claim} <cite source="s1">${quote}</cite>`);
  },
  { answerPatience: { endMs: 60_000, cancelMs: 60_000 } },
);

let client: OpenAI;
beforeAll(async () => {
  const checked = await describedFetch(stack().gateway.url);
  client = clientOf(stack().gateway.url, checked);
});

function clientOf(url: string, fetching: typeof fetch): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', fetch: fetching });
}

const sources = { corpora: [answeringCorpus] };
type Body = Parameters<OpenAI['chat']['completions']['create']>[0];

function asked(fields: object = {}): Body {
  const messages = [{ role: 'user', content: 'How often?' }];
  return { model: 'scripted', messages, sources, ...fields } as Body; // with fields of our own
}

async function answered(fields: object = {}): Promise<ChatCompletion> {
  const completion = await client.chat.completions.create({ ...asked(fields), stream: false });
  chatCompletion.strict().parse(completion);
  return completion;
}

async function streamed(fields: object = {}): Promise<ChatCompletionChunk[]> {
  const chunks: ChatCompletionChunk[] = [];
  for await (const chunk of await client.chat.completions.create({ ...asked(fields), stream: true }))
    chunks.push(chunk);
  return chunks;
}

async function refusal(work: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof OpenAI.APIError) return error;
  throw new Error(`It was not refused: ${String(error)}`);
}

describe('a chat completion', () => {
  it('is the answer of a run, with its sources and what it cost', async () => {
    const { choices, usage, id, object } = await answered();
    expect([id, object]).toEqual([expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/), 'chat.completion']);
    expect(choices).toMatchObject([{ finish_reason: 'stop', message: { role: 'assistant', content: answer } }]);
    const [annotation] = choices[0]?.message.annotations ?? [];
    const { start_index = 0, end_index = 0, url } = annotation?.url_citation ?? {};
    expect([...answer].slice(start_index, end_index).join('')).toBe(claim);
    expect(url).toMatch(/^https:/);
    expect(usage).toMatchObject({ prompt_tokens: 200, completion_tokens: 20, total_tokens: 220 });
  });

  it('streams the role, the text in pieces, and how it ended', async () => {
    const chunks = await streamed();
    const [first] = chunks;
    expect(first?.choices[0]?.delta).toEqual({ role: 'assistant', content: '' });
    const texts = chunks.map(({ choices }) => choices[0]?.delta.content ?? '');
    expect(texts.join('')).toBe(answer);
    expect(chunks.map(({ choices }) => choices[0]?.finish_reason)).toEqual([
      ...chunks.slice(1).map(() => null),
      'stop',
    ]);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    expect(chunks.every((chunk) => !('usage' in chunk))).toBe(true);
  });

  it('streams the usage last where it is asked for', async () => {
    const chunks = await streamed({ stream_options: { include_usage: true } });
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 220 } });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  });

  it('is put together by the helper of the official client', async () => {
    const final = await client.chat.completions.stream(asked() as never).finalChatCompletion();
    expect(final.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: answer } });
  });

  it('ends its stream as the protocol has it, heartbeats between', async () => {
    const body = JSON.stringify({ ...asked(), stream: true });
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${stack().gateway.url}/v1/chat/completions`, { method: 'POST', headers, body });
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const blocks = (await response.text()).split('\n\n').filter((block) => block !== '');
    expect(blocks.at(-1)).toBe('data: [DONE]');
    expect(blocks.every((block) => /^(?:data: |: )/.test(block))).toBe(true);
  });

  it('has an object where a schema asks for one', async () => {
    const json_schema = { name: 'ferry', schema: { type: 'object' } };
    const { choices } = await answered({ response_format: { type: 'json_schema', json_schema } });
    expect(choices[0]?.message.content).toBe('{"often":true}');
  });

  it('is cut short by a budget as by a length', async () => {
    const { choices } = await answered({ max_completion_tokens: 16 });
    expect(choices[0]?.finish_reason).toBe('length');
  });

  it('hears of instructions and of what was said before', async () => {
    const first = (await answered()).choices[0]?.message;
    const messages = [{ role: 'system', content: 'Be kind.' }, { role: 'user', content: 'One?' }, first];
    await answered({ messages: [...messages, { role: 'user', content: 'Two?' }] });
    expect(stack().prompts.at(-1)).toContain(`User: One?\n\nYou: ${answer}\n\nThe question:\n\nTwo?`);
  });

  it.each<[string, object, string | null, RegExp]>([
    ['functions', { tools: [{ type: 'function', function: { name: 'f' } }] }, 'tools', /functions of its client/],
    ['several answers', { n: 2 }, 'n', /one answer/],
    ['an unknown field', { colour: 1 }, null, /"colour"/],
    ['no message', { messages: [] }, 'messages', /./],
    ['an empty question', { messages: [{ role: 'user', content: ' ' }] }, 'messages', /empty/],
    [
      'instructions without a reader',
      {
        model: 'extractive',
        messages: [
          { role: 'system', content: 'x' },
          { role: 'user', content: 'y' },
        ],
      },
      'messages',
      /language model/,
    ],
  ])('is refused for %s', async (_, fields, param, words) => {
    const error = await refusal(answered(fields));
    expect({ status: error.status, param: error.param ?? null }).toEqual({ status: 400, param });
    expect(error.message).toMatch(words);
  });
});

describe('a run that comes to no answer', () => {
  it('is told as an error, and the client begins no other', async () => {
    const gateway = await stack().another({ answerPatience: { endMs: 200, cancelMs: 200 } });
    let requests = 0;
    const hasty = clientOf(gateway.url, async (...request) => {
      requests += 1;
      return await fetch(...request);
    });
    const messages = [{ role: 'user', content: slow }];
    const error = await refusal(hasty.chat.completions.create({ ...asked({ messages }), stream: false }));
    await gateway.stop();
    expect(error).toMatchObject({
      status: 503,
      code: 'deadline_exceeded',
      message: expect.stringMatching(/goes on; read its answer from/),
    });
    expect(requests).toBe(1);
    const [, id = ''] = /v1\/responses\/(resp_\w+)/.exec(error.message) ?? [];
    expect(await client.responses.retrieve(id)).toMatchObject({
      status: expect.stringMatching(/^(?:queued|in_progress)$/),
    });
    await client.responses.cancel(id);
  });

  it('ends a stream with the error', async () => {
    const started = client.chat.completions.create({
      ...asked({ messages: [{ role: 'user', content: slow }] }),
      stream: true,
    });
    const chunks = (await started)[Symbol.asyncIterator]();
    const first = await chunks.next();
    const id = String(first.value?.id).replace('chatcmpl-', 'resp_');
    await client.responses.cancel(id);
    expect(await refusal(chunks.next())).toMatchObject({
      code: 'run_failed',
      message: expect.stringMatching(/was cancelled/),
    });
  });
});

describe('the models', () => {
  it('are listed and shown', async () => {
    const listed = [];
    for await (const model of client.models.list()) listed.push(model);
    expect(listed).toMatchObject([
      { id: 'scripted', object: 'model', argosy: { language_model: true, default: true } },
      { id: 'extractive', argosy: { language_model: false, context_tokens: null } },
    ]);
    expect(await client.models.retrieve('scripted')).toEqual(listed[0]);
  });

  it('that are not there are told of as the protocol does', async () => {
    const error = await refusal(client.models.retrieve('Qwen/Qwen3'));
    expect(error).toMatchObject({
      status: 404,
      code: 'model_not_found',
      message: expect.stringMatching(/"Qwen\/Qwen3"/),
    });
  });
});
