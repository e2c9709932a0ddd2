/** What the profile of a model reads, and the form that its replies are held to, are one: shown with a model of no sense. */
import { describe, expect, it } from '@jest/globals';
import { inference } from '#contracts/rpc';
import { type ChatRequest, OutputParser, type ParsedReply, tongyiV1 } from '#model';
import { ask, type Stage, useToyGroup } from '../../../../test/support/toy-group.ts';

const group = useToyGroup();
const query = { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: 2 };
const object = (properties: object) => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});
const tools = [
  { name: 'search', description: '', parameters: object({ query }) },
  { name: 'scholar', description: '', parameters: object({ query }) },
  { name: 'PythonInterpreter', description: '', parameters: object({ code: { type: 'string' } }) },
  { name: 'odd', description: '', parameters: { type: 'object', patternProperties: {}, oneOf: [] } },
];
const question = { role: 'question', text: 'Why?' } as const;
const looked: ChatRequest['turns'] = [question, { role: 'model', text: '', calls: [] }, { role: 'tools', results: [] }];

interface Said {
  readonly reply: ParsedReply;
  readonly isWhole: boolean;
}

/** What the toy says to this, as the profile reads it; the same for the same number. */
async function saying({ client }: Stage, changes: Partial<ChatRequest>, seed: number, maxTokens = 150): Promise<Said> {
  const request: ChatRequest = {
    turns: [question],
    tools,
    today: '',
    mustAnswer: false,
    maxCompletionTokens: 1,
    session: '',
    ...changes,
  };
  const value = tongyiV1.form?.(request);
  if (value === undefined) throw new Error('the profile has no form');
  const sampling = { temperature: 1.5, seed, maxTokens, stop: [...tongyiV1.stop] };
  const constraint = { $case: 'grammar', value } as const;
  const parser = new OutputParser(tongyiV1.stop);
  let isWhole = false;
  const call = client.generate(ask({ constraint, sampling, maxReasoningTokens: 20 }));
  for await (const { event } of call as AsyncIterable<inference.GenerateResponse>) {
    if (event?.$case === 'delta') parser.push(event.value.text);
    if (event?.$case === 'finished') isWhole = event.value.reason === inference.FinishReason.FINISH_REASON_STOP;
  }
  const finish = isWhole ? 'stop' : 'length';
  return { reply: tongyiV1.read({ output: parser.end(), calls: [], finish, isCutShort: !isWhole }, request), isWhole };
}

/** For many replies of a model, on a machine that has much else to do. */
const busyMs = 180_000;
const seeds = Array.from({ length: 8 }, (_, i) => i);

describe('the form of tongyi-v1', () => {
  it(
    'is a call before anything was looked up: of a tool that is there, with arguments that fit',
    async () => {
      const stage = await group.stage();
      const called = new Set<string>();
      for (const seed of seeds) {
        const { reply } = await saying(stage, {}, seed);
        expect(reply.calls.length).toBeGreaterThan(0);
        expect(reply).not.toHaveProperty('problem');
        for (const { tool } of reply.calls) called.add(tool);
      }
      expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining([...called]));
      expect(called.size).toBeGreaterThan(1);
    },
    busyMs,
  );

  it(
    'is a call or an answer behind that; one that was cut short is no answer',
    async () => {
      const stage = await group.stage();
      const kinds = new Set<string>();
      for (const seed of seeds) {
        const { reply, isWhole } = await saying(stage, { turns: looked }, seed);
        if (reply.calls.length > 0) kinds.add('calls');
        else if (isWhole) kinds.add('answer');
        else kinds.add(reply.problem ?? '');
      }
      expect(kinds).toEqual(new Set(['calls', 'Your <answer> is not complete.']));
    },
    busyMs,
  );

  it(
    'is an answer where one is demanded, also one that was cut short',
    async () => {
      const stage = await group.stage();
      for (const seed of seeds) {
        const { reply } = await saying(stage, { turns: looked, mustAnswer: true }, seed, 80);
        expect(reply.answer?.length).toBeGreaterThan(0);
      }
    },
    busyMs,
  );

  it(
    'is the object that a schema wants, with citations',
    async () => {
      const stage = await group.stage();
      const outputSchema = object({ n: { type: 'integer', minimum: 1, maximum: 9 }, kind: { enum: ['a', 'b'] } });
      for (const seed of seeds) {
        const { reply } = await saying(stage, { turns: looked, mustAnswer: true, outputSchema }, seed);
        expect({ text: reply.text, problem: reply.problem }).toEqual({ text: reply.text });
        expect(reply.output?.value).toEqual({ n: expect.any(Number), kind: expect.stringMatching(/^[ab]$/) });
      }
    },
    busyMs,
  );

  it(
    'is quotations, or that there are none, where a page is read',
    async () => {
      const stage = await group.stage();
      for (const seed of seeds) {
        const { reply } = await saying(stage, { reading: { goal: 'g', title: 't', parts: ['p'] } }, seed, 80);
        expect(reply.text).toMatch(/^(<think>.*<\/think>)?\n{0,2}(<nothing\/>|(<quote>.+<\/quote>\n)+)$/s);
      }
    },
    busyMs,
  );
});
