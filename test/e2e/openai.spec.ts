import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { z } from 'zod';
import { reportSchema } from '#contracts';
import { argosy, emptyWorkplace, endLeftovers, type Finished, serve, within, workplace } from '../support/argosy.ts';
import { writeFerryCorpus } from '../support/ferry-corpus.ts';
import { type ModelServer, type ServerTurn, startModelServer } from '../support/model-server.ts';
import { specOf, thinkAndAnswer, thinkAndCall, toolResponsesIn } from '../support/scripted-research.ts';

const cwd = emptyWorkplace();
const corpus = writeFerryCorpus(cwd);
endLeftovers();

const question = 'How often does the ferry leave Halloway?';
const answer = thinkAndAnswer(
  'The ferry leaves every ninety minutes. <cite source="s1">every ninety minutes</cite> It also flies to the moon. <cite source="s1">the ferry flies to the moon on Tuesdays</cite>',
);
const turns: readonly [ServerTurn, ServerTurn] = [
  {
    text: thinkAndCall('search', { query: ['ferry leaves Halloway every'] }),
    usage: { prompt: 1000, completion: 50 },
    // Slow enough for a client to be there before it is over.
    delayMs: 20,
  },
  { text: answer, usage: { prompt: 2000, completion: 100, cached: 900 }, delayMs: 5 },
];

let model: ModelServer;
let server: Awaited<ReturnType<typeof serve>>;

beforeAll(async () => {
  model = await startModelServer((request) => turns[toolResponsesIn(request).length === 0 ? 0 : 1]);
  await workplace(cwd);
  server = await serve({ cwd, env: { ARGOSY_MODEL: specOf(model), ARGOSY_MODEL_PRICES: '2,1,10' } });
}, 90_000);
afterAll(async () => {
  server.kill('SIGTERM');
  await server.finished;
  await model.close();
});

describe('a run with a language model', () => {
  let run: Finished;
  let report: z.infer<typeof reportSchema>;

  beforeAll(async () => {
    run = await argosy(['start', question, '--corpus', corpus, '--json', 'r.json'], { cwd });
    report = reportSchema.parse(JSON.parse(readFileSync(join(cwd, 'r.json'), 'utf8')));
  }, 60_000);

  it('names the model and lacks none', () => {
    expect(run).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('written by scripted') });
    expect(report).toMatchObject({ status: 'completed', model: 'scripted', profile: 'tongyi-v1' });
    expect(report.degraded).not.toContain('no_llm');
  });

  it('supports a claim whose quote stands in its source', () => {
    const [claim] = report.claims;
    expect(claim).toMatchObject({ text: expect.stringContaining('ninety minutes'), verdict: 'supported' });
    const [citation] = claim?.citations ?? [];
    const { sha256, uri } = report.sources.find(({ id }) => id === citation?.source) ?? {};
    expect(uri).toMatch(/\/timetable\.md$/);
    const snapshot = readFileSync(join(cwd, 'argosy-reports', report.run_id, 'snapshots', `${sha256}.txt`), 'utf8');
    expect(snapshot.slice(citation?.start, citation?.end)).toBe('every ninety minutes');
  });

  it('marks a claim whose quote was made up as unsupported, and cites nothing for it', () => {
    const invented = report.claims.find(({ text }) => text.includes('moon'));
    expect(invented).toEqual({ text: expect.any(String), verdict: 'unsupported', citations: [] });
    expect(report.answer).toMatch(/moon\.? \[unsupported\]/);
    expect(JSON.stringify(report)).not.toContain('on Tuesdays');
  });

  it('counts what the server said it used, and what that costs', () => {
    // A search, an answer, and the answer once more, since a claim of the first had no proof.
    expect(report.usage).toMatchObject({
      steps: 3,
      model_calls: 3,
      tool_calls: 1,
      prompt_tokens: 5000,
      cached_tokens: 1800,
      completion_tokens: 250,
    });
    // 3,200 fresh tokens at 2, 1,800 cached at 1, 250 written at 10 USD per million.
    expect(report.usage.usd).toBeCloseTo(0.0107, 10);
  });

  it('shows the tokens in its progress', () => {
    expect(run.stderr).toMatch(/\[step 2, \d+ sources, \d+ passages, 1050 tokens\]/);
  });

  it('was asked with the question, the tools and the passages that were found', () => {
    const [first, second] = model.requests;
    expect(first?.body.messages[0]?.content).toContain('"name": "search"');
    expect(first?.body.messages[1]).toEqual({ role: 'user', content: expect.stringContaining(question) });
    expect(second && toolResponsesIn(second)[0]).toContain('every ninety minutes');
  });

  it('was asked once more, told which quote stands nowhere, and not a third time for the same', () => {
    const [, second, third, fourth] = model.requests;
    const [answered, notice, order, ...more] = third?.body.messages.slice(second?.body.messages.length) ?? [];
    expect(answered).toEqual({ role: 'assistant', content: answer });
    expect(notice?.content).toContain(
      '1. "It also flies to the moon.": the quote "the ferry flies to the moon on Tuesdays" does not stand in s1.',
    );
    expect(order?.content).toContain('no tool can be called any more');
    expect([more, fourth]).toEqual([[], undefined]);
  });
});

it('sends what the model writes as deltas, without numbers, beside the durable events', async () => {
  const corpora = readdirSync(join(cwd, '.argosy', 'corpora')).flatMap(
    (name) => /^c_\w+(?=\.sqlite$)/.exec(name) ?? [],
  );
  const accepted = await fetch(`${server.url}/v1/research`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ question, sources: { corpora } }),
  });
  const { id } = (await accepted.json()) as { id: string };
  const stream = await within(
    fetch(`${server.url}/v1/research/${id}/events`).then(async (response) => await response.text()),
    () => 'the event stream has not ended',
  );
  const blocks = stream.trimEnd().split('\n\n');
  const deltas = blocks.filter((block) => block.startsWith('event: delta\n'));
  const written = deltas.map(
    (block) => (JSON.parse(block.slice(block.indexOf('data: ') + 6)) as { text: string }).text,
  );
  expect(written.join('')).toContain('every ninety minutes');
  expect(blocks.filter((block) => !block.startsWith('event: delta\n')).every((block) => block.startsWith('id: '))).toBe(
    true,
  );
  expect(blocks.at(-1)).toMatch(/^id: \d+\nevent: run\.completed\n/);
}, 60_000);
