import { describe, expect, it } from '@jest/globals';
import type { ModelReply, Observation, Passage, ToolCall, Turn } from '#domain';
import type { ChatRequest } from '../chat-model.ts';
import { extractiveModel } from './extractive-model.ts';

const signal = new AbortController().signal;
const tool = (name: string) => ({ name, description: '', parameters: {} });

function request(turns: readonly Turn[], options: Partial<ChatRequest> = {}): ChatRequest {
  const tools = [tool('search'), tool('visit')];
  return { turns, tools, today: '2026-01-01', mustAnswer: false, maxCompletionTokens: 0, session: 's', ...options };
}

function ask(turns: readonly Turn[], options: Partial<ChatRequest> = {}): Promise<ModelReply> {
  return extractiveModel().reply(request(turns, options), signal);
}

function question(text: string, urls: string[] = []): Turn {
  return { role: 'question', text, urls };
}

const passage = (text: string, score: number, start = 0): Passage => {
  return { sha256: text.slice(0, 4).padEnd(64, '0'), start, end: start + text.length, text, headings: [], score };
};

/** A finished round: what each query or address brought. */
function found(call: ToolCall, passages: Record<string, Passage[]>): Turn[] {
  const sections = Object.entries(passages).map(([label, hits]) => ({ label, passages: hits }));
  const observation: Observation = { sections, sources: [] };
  return [
    { role: 'model', text: '', calls: [call] },
    { role: 'tools', results: [{ call, observation }] },
  ];
}

const search: ToolCall = { tool: 'search', args: {} };
const quotes = (reply: ModelReply) => (reply.answer ?? []).filter((part) => part.claim).map((part) => part.text);

describe('extractiveModel', () => {
  it('begins with a search for the question and each of its aspects', async () => {
    const { calls } = await ask([question('How long is a lock held, and which option changes the lock time?')]);
    expect(calls).toEqual([
      {
        tool: 'search',
        args: {
          query: [
            'How long is a lock held, and which option changes the lock time?',
            'How long is a lock held',
            'which option changes the lock time?',
          ],
        },
      },
    ]);
  });

  it('visits the pages that the user named before it searches', async () => {
    const { calls } = await ask([question('What is a lease?', ['https://example.org/a'])]);
    expect(calls.map((call) => call.tool)).toEqual(['visit', 'search']);
    expect(calls[0]?.args).toEqual({ url: ['https://example.org/a'], goal: 'What is a lease?' });
  });

  it('searches again in words that the first hits share', async () => {
    const q = 'How is disk space given back?';
    const first = found(search, {
      [q]: [
        passage('Vacuum marks space of dead rows reusable.', 3),
        passage('Plain vacuum rarely shrinks files; dead rows stay.', 2),
      ],
    });
    const { calls } = await ask([question(q), ...first]);
    expect(JSON.stringify(calls)).toMatch(/vacuum/i);
  });

  it('answers with verbatim passages, best first, and says that no model wrote it', async () => {
    const q = 'What is a lease?';
    const hits = {
      [q]: [passage('second best text about something', 1), passage('A lease is a promise with an end.', 2)],
    };
    const reply = await ask([question(q), ...found(search, hits), ...found(search, {})]);
    expect(reply.answer?.[0]).toMatchObject({ claim: false, text: expect.stringContaining('No language model') });
    expect(quotes(reply)).toEqual(['A lease is a promise with an end.', 'second best text about something']);
    expect(reply.answer?.[1]?.citations[0]?.quote).toBe('A lease is a promise with an end.');
  });

  it('answers at once when it must', async () => {
    const reply = await ask([question('What is a lease?')], { mustAnswer: true });
    expect(reply.calls).toEqual([]);
    expect(quotes(reply)).toEqual([]);
    expect(reply.answer?.[0]?.text).toMatch(/nothing that fits/);
  });

  it('cites at most eight passages and no two that say the same', async () => {
    const q = 'What is known of many things?';
    const hits = Array.from({ length: 12 }, (_, n) =>
      passage(`w${n} x${n} y${n} z${n} a${n} b${n} c${n} d${n}`, 20 - n),
    );
    const twin = passage(`${hits[0]?.text} indeed`, 21, 500);
    const reply = await ask([question(q), ...found(search, { [q]: [...hits, twin] }), ...found(search, {})]);
    expect(quotes(reply)).toHaveLength(8);
    expect(quotes(reply).filter((text) => text.startsWith('w0 '))).toHaveLength(1);
  });

  it('gives every aspect its own passages under its own heading', async () => {
    const [lock, option] = ['How long is a lock held', 'which option changes the lock time?'];
    const q = `${lock}, and ${option}`;
    const hits = {
      [lock]: [passage('The lock is held for thirty seconds.', 2)],
      [option]: [passage('Set lockDuration to change the time.', 2)],
    };
    const reply = await ask([question(q), ...found(search, hits), ...found(search, {})]);
    const headings = (reply.answer ?? []).filter((part) => part.text.startsWith('### ')).map((part) => part.text);
    expect(headings).toEqual(['### How long is a lock held', '### Which option changes the lock time?']);
    expect(quotes(reply)).toEqual(['The lock is held for thirty seconds.', 'Set lockDuration to change the time.']);
  });

  it('replies the same to the same request', async () => {
    const q = 'What is a lease?';
    const turns = [
      question(q),
      ...found(search, { [q]: [passage('one two three four', 1), passage('five six seven', 1)] }),
    ];
    expect(await ask(turns)).toEqual(await ask(turns));
  });

  it('offers nothing that was not offered to it', async () => {
    const { calls, answer } = await ask([question('What is a lease?', ['https://example.org'])], { tools: [] });
    expect(calls).toEqual([]);
    expect(answer).toBeDefined();
  });
});
