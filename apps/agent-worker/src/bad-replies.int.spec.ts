/** What becomes of a whole run when its model or the server of its model behaves badly. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { configuredModels } from '#model';
import { readConfig } from '#platform';
import { type Tool, toolSignatures } from '#tools';
import { useAgents } from '../../../test/support/agents.ts';
import {
  type ModelServer,
  type Player,
  type RecordedRequest,
  type ServerTurn,
  startModelServer,
} from '../../../test/support/model-server.ts';
import { limitsOf, observationOf, sha256Of } from '../../../test/support/research.ts';
import { specOf, thinkAndAnswer, thinkAndCall, toolResponsesIn } from '../../../test/support/scripted-research.ts';

const fact = 'The lamp of the lighthouse burns oil.';

/** Each address holds the same sentence behind its own name. */
const visit: Tool = {
  signature: toolSignatures([]).find(({ name }) => name === 'visit') ?? {
    name: 'visit',
    description: '',
    parameters: {},
  },
  deadlineMs: 10_000,
  sideEffects: false,
  run: async ({ url }) => {
    const text = `${url}: ${fact}`;
    return { observation: observationOf(text, String(url)), snapshots: new Map([[sha256Of(text), text]]) };
  },
};

const reading = (page = 1) => thinkAndCall('visit', { url: [`https://example.org/${page}`], goal: 'the lamp' });
const answering = thinkAndAnswer(`It burns oil. <cite source="s1">burns oil</cite>`);
const numbers = Array.from({ length: 20_000 }, (_, number) => `${number} `).join('');
const halfAnswer = 'data: {"choices":[{"delta":{"content":"<answer>It burns"}}]}\n\n';
const refusal = "I'm sorry, but I can't help with that.";

/** What a run ends with that could only show what it had read. */
const evidence = [{ text: `https://example.org/1: ${fact}`, verdict: 'supported' }];
const stuck = { status: 'incomplete', incomplete_details: { reason: 'no_progress' } } as const;

const { work, accepted, ended } = useAgents([visit]);
const servers: ModelServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

/** Has a run done by a model that plays this. */
async function researched(play: Player, changes: Parameters<typeof accepted>[0] = {}) {
  const server = await startModelServer(play);
  servers.push(server);
  const { byName } = await configuredModels(readConfig({ ARGOSY_MODEL: specOf(server) }));
  const model = byName.get('scripted');
  if (model === undefined) throw new Error('the configuration names no model');
  await work(model);
  const { report } = await ended(await accepted({ limits: limitsOf({ budget: { steps: 50 } }), ...changes }));
  if (report === null) throw new Error('the run ended without a report');
  return { report, requests: server.requests };
}

const hasRead = (request: RecordedRequest) => toolResponsesIn(request).length > 0;

/** Reads a page first, then gives the same for ever. */
const afterReading =
  (turn: string | ServerTurn): Player =>
  (request) =>
    hasRead(request) ? turn : reading();

describe('a run whose model', () => {
  it.each<[string, string | ServerTurn]>([
    ['writes the same thing over and over', `<think>${'I should search again. '.repeat(5_000)}`],
    ['says nothing useful', '<think>Let me think.</think> Let me think about that.'],
    ['thinks without end', { text: `<think>${numbers}`, eventCharacters: 200 }],
    ['calls a tool that is not there', thinkAndCall('google', { q: 'lamp' })],
    ['asks for the same page again', reading()],
  ])('%s for ever ends as incomplete, with what it had read, after six replies', async (_what, turn) => {
    const { report, requests } = await researched(afterReading(turn));
    expect(report).toMatchObject({ ...stuck, claims: evidence, usage: { model_calls: 6 } });
    expect(requests.at(-1)?.body.messages.at(-1)?.content).toContain('no tool can be called any more');
    expect(requests).toHaveLength(6);
    // A reply is cut near its limit, whatever its server goes on to write.
    expect(report.usage.completion_tokens).toBeLessThan(7_000);
  });

  it('answers without end gets four chances to come to one, then its answer is taken as far as it came', async () => {
    const { report, requests } = await researched(() => ({ text: `<answer>${numbers}`, eventCharacters: 200 }));
    expect(report).toMatchObject(stuck);
    expect(report.answer).toMatch(/^0 1 2 3 .* \[unsupported\]$/s);
    expect(report.answer.length).toBeLessThan(7_000);
    // The fifth was demanded; what it claimed without proof was asked for once more.
    expect(requests).toHaveLength(6);
  });

  it('refuses outside of an answer is told the form, and ends without an answer', async () => {
    const { report, requests } = await researched(() => refusal);
    expect(report).toMatchObject({ ...stuck, answer: '', claims: [], usage: { model_calls: 5 } });
    expect(requests[1]?.body.messages.at(-1)?.content).toContain('write the whole answer between <answer>');
  });

  it.each([
    ['mark', { answer: `${refusal} [unsupported]`, claims: [{ text: refusal, verdict: 'unsupported' }] }],
    ['strict', { answer: '', claims: [], removed_claims: 1 }],
  ] as const)('refuses in its answer is asked for a proof once; under the rule %s', async (citations, expected) => {
    const { report } = await researched(() => thinkAndAnswer(refusal), { citations });
    expect(report).toMatchObject({ status: 'completed', usage: { model_calls: 2 }, ...expected });
  });

  it('writes broken characters, split anywhere, has each replaced by one mark, and is quoted all the same', async () => {
    const broken = `It burns oil\ud83d\0, 漢字 😀. <cite source="s1">burns oil</cite>`;
    const { report } = await researched((request) => {
      const text = hasRead(request) ? thinkAndAnswer(broken) : reading();
      return { text: `<think>\ude00</think>${text}`, writeBytes: 7 };
    });
    expect(report).toMatchObject({ status: 'completed', usage: { model_calls: 2, tool_calls: 1 } });
    expect(report.claims).toMatchObject([{ text: 'It burns oil\ufffd\ufffd, 漢字 😀.', verdict: 'supported' }]);
  });
});

describe('a run whose model server', () => {
  const fails = (status: number): ServerTurn => ({
    fault: { kind: 'status', status, message: 'out of memory', headers: { 'retry-after': '0' } },
  });

  it('changes the model in the middle fails, naming both models, and keeps what it had read', async () => {
    const { report, requests } = await researched((request) =>
      hasRead(request) ? { text: answering, model: 'small' } : { text: reading(), model: 'big-1' },
    );
    expect(report).toMatchObject({ status: 'failed', claims: evidence, usage: { model_calls: 1 } });
    expect(report.incomplete_details?.message).toMatch(/answers as "small", but this run began with "big-1"/);
    // The first one might have come back.
    expect(requests).toHaveLength(5);
  });

  it.each([500, 429])('answers with %d for good fails with its words, and keeps what it had read', async (status) => {
    const { report, requests } = await researched(afterReading(fails(status)));
    expect(report).toMatchObject({ status: 'failed', claims: evidence, usage: { model_calls: 1 } });
    expect(report.incomplete_details?.message).toContain(`refused with ${status}: out of memory.`);
    expect(requests).toHaveLength(5);
  });

  it.each<[string, ServerTurn]>([
    ['answers with 429 and Retry-After', fails(429)],
    ['answers with 500', fails(500)],
    ['cuts the stream', { text: answering, fault: { kind: 'cut', afterBytes: 300 } }],
    ['ends the stream between two events', { fault: { kind: 'page', type: 'text/event-stream', body: halfAnswer } }],
  ])('%s once in each step loses nothing and costs no reply', async (_what, fault) => {
    const { report, requests } = await researched((request, index) => {
      if (index % 2 === 0) return fault;
      return hasRead(request) ? answering : reading();
    });
    expect(report).toMatchObject({ status: 'completed', claims: [{ verdict: 'supported' }] });
    expect(report.usage).toMatchObject({ model_calls: 2, tool_calls: 1 });
    expect(requests).toHaveLength(4);
  });

  it('hangs ends with its time', async () => {
    const limits = limitsOf({ budget: { steps: 50, seconds: 1 }, answerSeconds: 0 });
    const { report } = await researched(() => ({ fault: { kind: 'hang' } }), { limits });
    expect(report).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_seconds' }, claims: [] });
  });

  it('reports no usage is counted by what was sent, so that a budget in tokens holds', async () => {
    const tokens = 8_000;
    const { report } = await researched(
      (request) => {
        const isOrdered = request.body.messages.at(-1)?.content.includes('no tool can be called any more');
        return { text: isOrdered ? answering : reading(toolResponsesIn(request).length + 1), usage: 'none' };
      },
      { limits: limitsOf({ budget: { steps: 50, tokens } }) },
    );
    const { usage, claims } = report;
    expect(report).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_tokens' } });
    expect(claims).toMatchObject([{ text: 'It burns oil.', verdict: 'supported' }]);
    expect(usage.prompt_tokens + usage.completion_tokens).toBeGreaterThan(tokens / 2);
    expect(usage.prompt_tokens + usage.completion_tokens).toBeLessThanOrEqual(tokens);
  });
});
