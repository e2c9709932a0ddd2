/** Replies that are held to a form, over real gRPC, with a model that would say anything. */
import { once } from 'node:events';
import { type ServiceError, status } from '@grpc/grpc-js';
import { describe, expect, it } from '@jest/globals';
import { inference } from '#contracts/rpc';
import { ask, type Changes, type Stage, useToyGroup } from '../../../../test/support/toy-group.ts';

const group = useToyGroup();
const sampling = { temperature: 1, maxTokens: 400 };

async function saidBy({ client }: Stage, changes: Changes) {
  let [reasoning, content, reason] = ['', '', 0];
  for await (const { event } of client.generate(ask(changes)) as AsyncIterable<inference.GenerateResponse>) {
    if (event?.$case === 'finished') reason = event.value.reason;
    if (event?.$case !== 'delta') continue;
    if (event.value.channel === inference.Channel.CHANNEL_REASONING) reasoning += event.value.text;
    else content += event.value.text;
  }
  return { reasoning, content, reason };
}

async function refusalOf({ client }: Stage, changes: Changes): Promise<string> {
  const call = client.generate(ask(changes));
  call.resume();
  const [error] = await once(call, 'error');
  const { code, details } = error as ServiceError; // what a call of grpc-js ends with
  return `${status[code]} ${details}`;
}

const grammar = (part: inference.Grammar['part']): inference.Grammar => ({ part });
const literal = (value: string) => grammar({ $case: 'literal', value });
const json = (schema: object, loose = false) =>
  grammar({ $case: 'json', value: { jsonSchema: JSON.stringify(schema), loose, without: [] } });
const parts = ($case: 'sequence' | 'choice', ...all: inference.Grammar[]) => grammar({ $case, value: { parts: all } });
const held = (value: inference.Grammar): Changes => ({
  constraint: { $case: 'grammar', value },
  sampling,
  maxReasoningTokens: 8,
});

describe('a constraint', () => {
  it('of each kind holds for what comes behind the reasoning', async () => {
    const stage = await group.stage();
    const seeds = [1, 2, 3, 4].map((seed) => ({ sampling: { ...sampling, seed }, maxReasoningTokens: 8 }));
    const schema = { type: 'object', properties: { n: { type: 'integer', minimum: 3, maximum: 12 } }, required: ['n'] };
    const constraints: [NonNullable<inference.GenerateRequest['constraint']>, RegExp][] = [
      [{ $case: 'jsonSchema', value: JSON.stringify(schema) }, /^\s*\{\s*"n"\s*:\s*([3-9]|1[012])\s*\}$/],
      [{ $case: 'regex', value: '[a-c]{3}-\\d+x' }, /^\n{0,2}[a-c]{3}-\d+x$/],
      [{ $case: 'choice', value: { options: ['ja', 'nein'] } }, /^\n{0,2}(ja|nein)$/],
      [
        { $case: 'grammar', value: parts('sequence', literal('<a>'), json(schema), literal('</a>')) },
        /^\n{0,2}<a>\{[^}]*\}<\/a>$/,
      ],
    ];
    for (const [constraint, form] of constraints) {
      for (const seed of seeds) {
        const { content, reasoning, reason } = await saidBy(stage, { ...seed, constraint });
        expect(content).toMatch(form);
        expect(reasoning).toMatch(/^(<think>.*<\/think>)?$/s);
        expect(reason).toBe(inference.FinishReason.FINISH_REASON_STOP);
      }
    }
  });

  it('that the limit of tokens cuts is told as cut', async () => {
    const stage = await group.stage();
    const said = await saidBy(stage, {
      ...held(literal('a'.repeat(50))),
      sampling: { maxTokens: 20 },
      maxReasoningTokens: 0,
    });
    expect(said).toEqual({
      reasoning: '',
      content: 'a'.repeat(20),
      reason: inference.FinishReason.FINISH_REASON_LENGTH,
    });
  });

  it('outside the subset is refused by its keyword and place, unless it may be loose', async () => {
    const stage = await group.stage();
    const schema = { type: 'array', items: { type: 'boolean' }, maxItems: 2, uniqueItems: true };
    const refused = await refusalOf(stage, held(parts('choice', literal('a'), json(schema))));
    expect(refused).toBe(
      'INVALID_ARGUMENT grammar[1]#/uniqueItems: is not supported: leave it out, and check the value',
    );
    expect(JSON.parse((await saidBy(stage, held(json(schema, true)))).content)).toEqual(expect.any(Array));
  });

  it('that makes no sense is refused', async () => {
    const stage = await group.stage();
    expect(await refusalOf(stage, held(grammar(undefined)))).toMatch(
      /^INVALID_ARGUMENT grammar: is empty: give one of/,
    );
    expect(await refusalOf(stage, held(parts('sequence')))).toMatch(/^INVALID_ARGUMENT grammar: has no parts/);
    const twice = grammar({ $case: 'repetition', value: { part: literal('a'), minTimes: 2, maxTimes: 1 } });
    expect(await refusalOf(stage, held(twice))).toMatch(/^INVALID_ARGUMENT grammar: .* is 2 to 1/);
    let deep = literal('a');
    for (let level = 0; level < 20; level++) deep = parts('sequence', deep);
    expect(await refusalOf(stage, held(deep))).toMatch(/^INVALID_ARGUMENT grammar\S*: is nested deeper/);
    const nothing = { ...held(literal('<b>')), sampling: { ...sampling, stop: ['b'] } };
    expect(await refusalOf(stage, nothing)).toMatch(/^INVALID_ARGUMENT .*no token can follow/);
    expect(await refusalOf(stage, { maxReasoningTokens: 2 ** 32 - 1 })).toMatch(
      /^INVALID_ARGUMENT max_reasoning_tokens: /,
    );
    // The group goes on.
    expect((await saidBy(stage, held(literal('fine')))).content).toMatch(/^\n{0,2}fine$/);
  });
});
