import { describe, expect, it } from '@jest/globals';
import type { ModelReply, Observation, Passage, ToolCall, Turn } from '#domain';
import { hitOf, hitsOf } from '../../../../test/support/research.ts';
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

/** A search of the web that named these pages. */
function named(query: string, ...urls: readonly string[]): Turn[] {
  return [
    { role: 'model', text: '', calls: [search] },
    { role: 'tools', results: [{ call: search, observation: hitsOf(query, ...urls) }] },
  ];
}

const search: ToolCall = { tool: 'search', args: {} };
const visit: ToolCall = { tool: 'visit', args: {} };
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

  it('reads the best pages of a search, each for the aspect that it was named for, and of one site only what is better', async () => {
    const [lock, option] = ['How long is a lock held', 'which option changes the lock time?'];
    const pages = (site: string, count: number) => Array.from({ length: count }, (_, i) => `https://${site}/${i}`);
    const hits = [
      { label: lock, passages: [], hits: pages('wiki.example', 6).map((url) => hitOf(url)) },
      {
        label: option,
        passages: [],
        hits: [...pages('docs.example', 1), 'https://wiki.example/0'].map((u) => hitOf(u)),
      },
    ];
    const results = [{ call: search, observation: { sections: hits, sources: [] } }];
    const searched: Turn[] = [
      { role: 'model', text: '', calls: [search] },
      { role: 'tools', results },
    ];
    const { calls } = await ask([question(`${lock}, and ${option}`), ...searched]);
    expect(calls).toEqual([
      {
        tool: 'visit',
        args: {
          url: ['wiki.example/0', 'wiki.example/1', 'wiki.example/2', 'wiki.example/3'].map((u) => `https://${u}`),
          goal: lock,
        },
      },
      { tool: 'visit', args: { url: ['https://docs.example/0'], goal: option } },
    ]);
  });

  it('ends when its pages cover the question, and reads and searches on where they do not', async () => {
    const q = 'What is a lease of a lock?';
    const [first, second] = ['https://a.example/', 'https://b.example/'];
    const good = passage('A lease is a lock that ends by itself when nobody holds on.', 2);
    const poor = passage('Something about gardens that have many flowers in spring.', 2);
    const searched = [question(q), ...named(q, first)];
    const done = await ask([...searched, ...found(visit, { [first]: [good] })]);
    expect(quotes(done)).toEqual([good.text]);
    const more = await ask([question(q), ...named(q, first, second), ...found(visit, { [first]: [poor, poor] })]);
    expect(more.calls).toContainEqual({ tool: 'visit', args: { url: [second], goal: q } });
    const rounds = [...named(q, first), ...found(visit, { [first]: [poor] }), ...named(q), ...named(q)];
    expect((await ask([question(q), ...rounds, ...named(q, second)])).calls).toEqual([]);
  });

  it('takes of pages as good those of other sites first', async () => {
    const q = 'What is a lease?';
    const urls = [...Array.from({ length: 6 }, (_, i) => `https://one.example/${i}`), 'https://other.example/'];
    const { calls } = await ask([question(q), ...named(q, ...urls)]);
    const [first] = calls.map(({ args }) => args['url']);
    expect(first).toHaveLength(5);
    expect(first).toContain('https://other.example/');
  });

  it('reads on only for the aspect that is covered too little', async () => {
    const [lock, option] = ['How long is a lock held', 'which option changes the lock time?'];
    const [first, second] = ['https://a.example/', 'https://b.example/'];
    const pages = (label: string, site: string) => {
      const urls = Array.from({ length: 7 }, (_, i) => `https://${site}/${i}`);
      return { label, passages: [], hits: urls.map((url) => hitOf(url)) };
    };
    const sections = [pages(lock, 'lock.example'), pages(option, 'option.example')];
    const results = [{ call: search, observation: { sections, sources: [] } }];
    const read = { [first]: [passage('A lock is held for as long as thirty seconds, not more.', 2)], [second]: [] };
    const turns: Turn[] = [{ role: 'tools', results }, ...found(visit, read)];
    const { calls } = await ask([question(`${lock}, and ${option}`), ...turns]);
    const visits = calls.filter((call) => call.tool === 'visit');
    expect(visits).toEqual([{ tool: 'visit', args: { url: expect.any(Array), goal: option } }]);
  });

  it('prefers of two pages the passage that speaks of the question, whatever it calls itself', async () => {
    const q = 'How long may a ferry ticket be used?';
    const [one, other] = ['https://a.example/', 'https://b.example/'];
    const pages = {
      [one]: [passage('Gardens bloom in May, and gates are open to all who come.', 9)],
      [other]: [passage('The ferry ticket may be used as long as the week lasts.', 1)],
    };
    const reply = await ask([question(q), ...named(q, one, other), ...found(visit, pages)], { mustAnswer: true });
    expect(quotes(reply)[0]).toContain('ferry ticket');
  });

  it('never quotes what a search says of a page, and says that none was read', async () => {
    const q = 'What is a lease?';
    const reply = await ask([question(q), ...named(q, 'https://a.example/')], { mustAnswer: true });
    expect(quotes(reply)).toEqual([]);
    expect(reply.answer?.map(({ text }) => text)).toEqual(['The search named pages, and none of them was read.']);
  });

  it('reads a work where its text is open, and on its own page where that failed', async () => {
    const q = 'What is a lease?';
    const [url, pdfUrl] = ['https://doi.example/1', 'https://open.example/1.pdf'];
    const work = { authors: [], year: null, venue: null, citations: null, doi: null, pdfUrl };
    const observation: Observation = {
      sections: [{ label: q, passages: [], hits: [hitOf(url, { work })] }],
      sources: [],
    };
    const searched: Turn[] = [{ role: 'tools', results: [{ call: search, observation }] }];
    const visits = (reply: ModelReply) =>
      reply.calls.filter(({ tool }) => tool === 'visit').map(({ args }) => args['url']);
    expect(visits(await ask([question(q), ...searched]))).toEqual([[pdfUrl]]);
    const gone = {
      sections: [{ label: pdfUrl, passages: [], fault: { kind: 'blocked' as const, message: 'no' } }],
      sources: [],
    };
    const failed: Turn[] = [{ role: 'tools', results: [{ call: visit, observation: gone }] }];
    expect(visits(await ask([question(q), ...searched, ...failed]))).toEqual([[url]]);
    expect(visits(await ask([question(q), ...searched, ...found(visit, { [pdfUrl]: [passage('x', 1)] })]))).toEqual([]);
  });

  it('asks by the subject alone where nothing was found', async () => {
    const q = 'How long is a lock held?';
    const fault = { kind: 'empty' as const, message: 'No results.' };
    const observation: Observation = { sections: [{ label: q, passages: [], fault }], sources: [] };
    const empty: Turn[] = [{ role: 'tools', results: [{ call: search, observation }] }];
    expect((await ask([question(q), ...empty])).calls).toEqual([
      { tool: 'search', args: { query: ['long lock held'] } },
    ]);
  });

  it('looks for works once where it can', async () => {
    const tools = ['search', 'visit', 'scholar'].map(tool);
    const { calls } = await ask([question('What is a lease?')], { tools });
    expect(calls.map((call) => call.tool)).toEqual(['search', 'scholar']);
    const { calls: next } = await ask([question('What is a lease?'), ...found(search, {})], { tools });
    expect(next).toEqual([]);
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
