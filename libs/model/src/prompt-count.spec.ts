import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Observation, type Turn, tokenWeight } from '#domain';
import { loadTokenizer, type Tokenizer } from '#tokens';
import { CHATML, tokenizerFolder } from '../../../test/support/tokenizer-folder.ts';
import type { ChatRequest } from './chat-model.ts';
import { profiles } from './profiles.ts';
import { countByEstimate, countByTokenizer } from './prompt-count.ts';
import { tongyiV1 } from './tongyi.ts';

const tools = [{ name: 'search', description: 'Finds.', parameters: { type: 'object', properties: { q: {} } } }];
const requestOf = (turns: readonly Turn[], changes: Partial<ChatRequest> = {}): ChatRequest => {
  return { turns, tools, today: '2026-11-23', mustAnswer: false, maxCompletionTokens: 100, session: 'r1', ...changes };
};

/** A question and `steps` searches with what they found. */
function history(steps: number): Turn[] {
  const turns: Turn[] = [{ role: 'question', text: 'Why do locks expire?' }];
  for (let step = 0; step < steps; step++) {
    const call = { tool: 'search', args: { n: [1, 2, 3, 4], q: `lock ${step} "<|im_end|>" 锁` } };
    const passage = { sha256: 'aa', start: 0, end: 9, text: `Step ${step}. `.repeat(50), headings: [], score: 1 };
    const source = {
      uri: 'https://example.org',
      title: 'T',
      sha256: 'aa',
      bytes: 9,
      fetchedAt: '2026-11-23T00:00:00Z',
    };
    const observation: Observation = { sections: [{ label: 'q', passages: [passage] }], sources: [source] };
    turns.push({ role: 'model', text: `<think>\nLook ${step}.\n</think>\n`, calls: [call] });
    turns.push({ role: 'tools', results: [{ call, observation }] });
  }
  return turns;
}

describe('without a tokenizer', () => {
  const count = async (request: ChatRequest) => await countByEstimate(tongyiV1.render(request), request);

  it('estimates by characters and says so', async () => {
    const request = requestOf(history(1));
    const weight = tongyiV1.render(request).messages.reduce((sum, { content }) => sum + tokenWeight(content), 0);
    expect(await count(request)).toEqual({ tokens: Math.ceil(weight), basis: 'estimate' });
  });

  it('takes what the server said of the beginning and estimates only what came behind it', async () => {
    const turns = history(2);
    const added = tongyiV1.render(requestOf(turns)).messages.at(-1)?.content ?? '';
    const measured = { turns: turns.length - 1, tokens: 5_000 };
    const open = await count(requestOf(turns, { measured }));
    expect(open).toEqual({ tokens: 5_000 + Math.ceil(tokenWeight(added)), basis: 'usage' });
    expect(await count(requestOf(turns.slice(0, -1), { measured }))).toEqual({ tokens: 5_000, basis: 'usage' });
    expect((await count(requestOf(turns, { measured, mustAnswer: true }))).tokens).toBeGreaterThan(open.tokens + 10);
  });

  it('does not use what the server said of more turns than there are', async () => {
    const turns = history(1);
    expect(await count(requestOf(turns, { measured: { turns: 9, tokens: 5_000 } }))).toEqual(
      await count(requestOf(turns)),
    );
  });
});

/** As Qwen's templates do: what was thought before the last question is left out. */
const FORGETFUL = `{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + (message.content.split('</think>')[-1] if not loop.last and loop.index < messages|length - 1 else message.content) + '<|im_end|>\\n' }}
{%- endfor %}`;

describe('with a tokenizer', () => {
  const folders: string[] = [];
  const withTemplate = async (chatTemplate: string): Promise<Tokenizer> => {
    const folder = await tokenizerFolder({ chatTemplate });
    folders.push(folder);
    return await loadTokenizer(folder);
  };
  let tokenizer: Tokenizer;

  beforeAll(async () => {
    tokenizer = await withTemplate(CHATML);
  });

  afterAll(async () => {
    await Promise.all(folders.map((folder) => rm(folder, { recursive: true })));
  });

  it.each(Object.values(profiles))(
    'counts what $id sends as the template writes it out, at each length',
    async (profile) => {
      const count = countByTokenizer(tokenizer);
      const turns = history(6);
      for (let length = 1; length <= turns.length; length++) {
        const request = requestOf(turns.slice(0, length));
        const prompt = profile.render(request);
        const given = prompt.fields['tools'] === undefined ? [] : tools;
        const messages = prompt.messages.map((message) => {
          if (!('tool_calls' in message)) return message;
          const calls = message.tool_calls?.map((call) => {
            return { ...call, function: { ...call.function, arguments: JSON.parse(call.function.arguments) } };
          });
          return { ...message, tool_calls: calls };
        });
        const listed = given.map((tool) => ({ type: 'function', function: tool }));
        const whole = tokenizer.renderChat(messages, { tools: listed, addGenerationPrompt: true });
        expect(await count(prompt, request)).toEqual({ tokens: tokenizer.encode(whole).length, basis: 'tokenizer' });
      }
    },
  );

  it('encodes only what is new when a history grows, and all of it for another history', async () => {
    const encoded: string[] = [];
    const counting = { ...tokenizer, count: (text: string) => encoded.push(text) * 0 + tokenizer.count(text) };
    const count = countByTokenizer(counting);
    const turns = history(20);
    const countTo = async (all: readonly Turn[], length: number) => {
      encoded.length = 0;
      const request = requestOf(all.slice(0, length));
      await count(tongyiV1.render(request), request);
      return encoded.join('');
    };
    const whole = await countTo(turns, turns.length - 2);
    const step = await countTo(turns, turns.length);
    expect(step).toMatch(/^<think>\nLook 19\./);
    expect(step).toContain('Step 19.');
    expect(step).not.toContain('Step 18.');
    expect(await countTo(turns, turns.length)).toBe('');
    expect((await countTo(structuredClone(turns), turns.length)).length).toBeGreaterThan(whole.length / 2);
  });

  it('is right where a template writes old messages anew', async () => {
    const forgetful = await withTemplate(FORGETFUL);
    const count = countByTokenizer(forgetful);
    const turns = history(4);
    for (let length = 1; length <= turns.length; length++) {
      const request = requestOf(turns.slice(0, length));
      const prompt = tongyiV1.render(request);
      const whole = forgetful.renderChat(prompt.messages, { addGenerationPrompt: true });
      expect((await count(prompt, request)).tokens).toBe(forgetful.encode(whole).length);
    }
  });

  it('lets other work in between the slices of a long history, and has then counted it', async () => {
    const encoded: string[] = [];
    const counting = { ...tokenizer, count: (text: string) => encoded.push(text) * 0 + tokenizer.count(text) };
    const count = countByTokenizer(counting);
    const request = requestOf(history(60));
    const prompt = tongyiV1.render(request);
    const seen: number[] = [];
    let going = true;
    const watch = (): void => {
      seen.push(encoded.length);
      if (going) setImmediate(watch);
    };
    setImmediate(watch);
    const { tokens } = await count(prompt, request);
    going = false;
    expect(new Set(seen).size).toBeGreaterThan(3);
    encoded.length = 0;
    await count(prompt, request);
    expect(encoded).toEqual([]);
    expect(tokens).toBe((await countByTokenizer(tokenizer)(prompt, request)).tokens);
  });

  it('countByEstimate a prompt that the template refuses, and says so', async () => {
    const strict = await withTemplate("{{ raise_exception('System role not supported') }}");
    const request = requestOf(history(1));
    const prompt = tongyiV1.render(request);
    const count = countByTokenizer(strict);
    expect(await count(prompt, request)).toEqual(await countByEstimate(prompt, request));
    expect((await count(prompt, request)).basis).toBe('estimate');
  });
});
