import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Limits, type Observation, transcriptHash, transcriptOf } from '#domain';
import { type ChatModel, type ChatRequest, OutputParser, tongyiV1 } from '#model';
import type { Answering, Membership } from '#runs';
import { runsOn, useStore } from '../../../test/support/embedded.ts';
import { keepLooking } from '../../../test/support/looking.ts';
import { acceptanceOf, limitsOf, observationOf, requestOf, sha256Of } from '../../../test/support/research.ts';
import { thinkAndAnswer, thinkAndCall } from '../../../test/support/scripted-research.ts';
import { drive, type RunRecord } from './drive.ts';

const settings = { leaseMs: 600_000, relookMs: 50, pollMs: 20 };
const tenantId = 'acme';
const sources = {
  corpora: ['c_0123456789abcdef'],
  web: false,
  urls: [],
  providers: [],
  allowDomains: [],
  denyDomains: [],
};
const never = new AbortController().signal;
const tools = [
  {
    name: 'search',
    description: 'Finds passages.',
    parameters: { type: 'object', properties: { query: { type: 'array', items: { type: 'string' } } } },
  },
];

/** What the prompt of a request holds, as the model reads it. */
const promptOf = (request: ChatRequest): string =>
  tongyiV1
    .render(request)
    .messages.map(({ content }) => content)
    .join('\n');

/** A model behind the real profile: what it says is rendered, parsed and counted as over the wire. */
function modelOf(say: (prompt: string, request: ChatRequest) => string, seen: number[] = []): ChatModel {
  return {
    name: 'scripted',
    profile: tongyiV1.id,
    contextTokens: 1e6,
    countPrompt: async (request) => ({ tokens: Math.ceil(tongyiV1.render(request).weight), basis: 'estimate' }),
    async reply(request) {
      const parser = new OutputParser(tongyiV1.stop);
      parser.push(say(promptOf(request), request));
      const promptTokens = Math.ceil(tongyiV1.render(request).weight);
      seen.push(promptTokens);
      const read = tongyiV1.read({ output: parser.end(), calls: [], finish: 'stop' }, request);
      return { ...read, usage: { promptTokens, cachedTokens: 0, completionTokens: 100 } };
    },
  };
}

// Before the store's own, which closes it.
afterAll(async () => {
  await answeringTools.close({ abortAfterMs: 0 });
  await toolMember.end();
  await stopLooking();
});
const store = useStore(runsOn(settings));
const runs = () => store().runs;
let made = 0;
let stopLooking: () => Promise<void>;
let toolMember: Membership;
let answeringTools: Answering;

/** What is found for a query, and stored; null for a search that never ends. */
let textOf: (query: string) => string | null = () => null;

beforeAll(async () => {
  stopLooking = keepLooking(runs(), settings.pollMs);
  toolMember = await runs().join({ workerId: 'tools', role: 'tool-worker', slots: 4 });
  answeringTools = await runs().answerCalls(toolMember, { concurrency: 4 }, async ({ args }, signal) => {
    const query = String([args['query']].flat()[0]);
    const text = textOf(query);
    if (text === null) {
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
      throw signal.reason;
    }
    const observation: Observation = observationOf(text, query);
    return { state: 'done', observation, snapshots: new Map([[sha256Of(text), text]]) };
  });
}, 30_000);
/** A worker of its own for one run, until it is over or the worker dies. */
async function work(model: ChatModel, record: RunRecord = runs()) {
  made += 1;
  const member = await runs().join({ workerId: `agent-${made}`, role: 'agent-worker', slots: 1 });
  const around = { runs: record, models: new Map([['scripted', model]]), tools, now: () => performance.now() };
  const answering = await runs().answerRuns(
    member,
    { concurrency: 1, onFault: () => undefined },
    async (claim, now) => {
      await drive(claim, around, { soon: never, now });
    },
  );
  return {
    member,
    end: async () => {
      await answering.close();
      await member.end();
    },
  };
}

async function accept(changes: Parameters<typeof requestOf>[0]): Promise<string> {
  made += 1;
  const runId = `run-${made}`;
  await runs().accept(acceptanceOf(tenantId, runId, { request: requestOf({ sources, ...changes }) }));
  return runId;
}

async function eventsOf(runId: string): Promise<string[]> {
  const types: string[] = [];
  for await (const { type } of runs().events(tenantId, runId, 0, never)) types.push(type);
  return types;
}

const passages = /<passage source="(s\d+)">[\s\S]*?\ntext:\n([\s\S]*?)\n<\/passage>/g;

describe('a run of 120 steps in a context for a dozen', () => {
  const contextTokens = 16_000;
  const limits: Limits = limitsOf({
    budget: { steps: 130 },
    contextTokens,
    replyTokens: 500,
    answerTokens: 2_000,
    observationTokens: 2_000,
  });
  const watches = Array.from({ length: 10 }, (_, watch) => watch + 1);
  const weather = ['calm', 'fog', 'hail', 'rain', 'sleet', 'snow', 'storm', 'haze', 'frost', 'thunder'];
  const factOf = (watch: number): string =>
    `In watch number ${watch} the keeper of the lightship Amrum wrote of ${weather[watch - 1]} and nothing else.`;
  /** About 300 tokens, so that ten of them have to be wanted to be kept. */
  const pageOf = (watch: number): string =>
    `${Array.from({ length: 150 }, (_, i) => `v${(watch * 151 + i * 7907) % 99_991}`).join(' ')} ${factOf(watch)}`;
  /** About 800 tokens of a harbour's accounts; now and then a lightship, but no keeper's watch. */
  const noise = (step: number): string =>
    Array.from({ length: 400 }, (_, i) => (i % 97 === 0 ? 'lightship' : `w${(step * 401 + i * 7919) % 99_991}`)).join(
      ' ',
    );

  it('crosses the limit again and again, and still quotes what it read in its first ten steps', async () => {
    textOf = (query) => (query.startsWith('watch ') ? pageOf(Number(query.slice(6))) : noise(Number(query.slice(8))));
    let step = 0;
    const sizes: number[] = [];
    const model = modelOf((prompt) => {
      step += 1;
      if (step <= 10) return thinkAndCall('search', { query: [`watch ${step}`] });
      if (step <= 119) return thinkAndCall('search', { query: [`harbour ${step}`] });
      // Nothing but what stands in this prompt can be quoted.
      const found = new Map([...prompt.matchAll(passages)].map(([, source = '', text = '']) => [text, source]));
      const claims = watches.map((watch) => {
        const source = found.get(pageOf(watch));
        return source === undefined
          ? `Watch ${watch} is lost.`
          : `${factOf(watch)} <cite source="${source}">${factOf(watch)}</cite>`;
      });
      return thinkAndAnswer(claims.join('\n\n'));
    }, sizes);
    const runId = await accept({
      question: 'What did the keeper of the lightship Amrum write in watches 1 to 10?',
      limits,
    });
    const worker = await work(model);
    const types = await eventsOf(runId);
    await worker.end();
    const { status, report } = await runs().get(tenantId, runId);
    expect([status, report?.usage.model_calls]).toEqual(['completed', 120]);
    expect(report?.claims.map(({ verdict }) => verdict)).toEqual(watches.map(() => 'supported'));
    expect(types.filter((type) => type === 'context.compacted').length).toBeGreaterThan(5);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(contextTokens);
  }, 60_000);
});

describe('a run whose time is nearly over while a tool is at work', () => {
  it('stops waiting, asks for the answer in the time that is left for it, and gives it with its proofs', async () => {
    const fact = 'A lease lasts for thirty seconds.';
    textOf = (query) => (query === 'lease' ? fact : null);
    const model = modelOf((prompt) => {
      if (prompt.includes('no tool can be called any more')) {
        return thinkAndAnswer(`${fact} <cite source="s1">thirty seconds</cite>`);
      }
      return prompt.includes(fact)
        ? thinkAndCall('search', { query: ['epoch'] })
        : thinkAndCall('search', { query: ['lease'] });
    });
    const limits = limitsOf({ budget: { steps: 9, seconds: 4 }, answerSeconds: 3 });
    const runId = await accept({ question: 'How long does a lease last?', limits });
    const worker = await work(model);
    const types = await eventsOf(runId);
    await worker.end();
    const { status, report } = await runs().get(tenantId, runId);
    expect([status, report?.incomplete_details?.reason]).toEqual(['incomplete', 'max_seconds']);
    expect(report?.claims).toMatchObject([{ text: fact, verdict: 'supported' }]);
    expect(types).toContain('budget.warning');
  });
});

describe('a worker killed between any two steps', () => {
  const request = {
    question: 'How long does the lease last?',
    outputSchema: { type: 'object', properties: { seconds: { type: 'integer' } }, required: ['seconds'] },
  };
  const fact = 'A worker keeps its lease for thirty seconds.';
  const proven = `${fact} <cite source="s1">lease for thirty seconds</cite>`;
  const jsonOf = (seconds: unknown) => thinkAndAnswer(JSON.stringify({ output: { seconds } }));

  /** Two searches, an answer to mend, an object to mend: all by what stands in the prompt. */
  function scripted(prompt: string, { outputSchema }: ChatRequest): string {
    if (outputSchema) return jsonOf(prompt.includes('must be integer') ? 30 : 'thirty');
    if (prompt.includes('these sentences have no proof')) return thinkAndAnswer(proven);
    const results = prompt.match(/^<tool_response>$/gm)?.length ?? 0;
    if (results < 2) return thinkAndCall('search', { query: [`lease ${results}`] });
    return thinkAndAnswer(`${proven} It is short.`);
  }

  /** The record of a worker that dies at its next commit once it made so many; `died` then resolves, and it waits for `buried`. */
  function mortal(commits: number, died: () => void, buried: Promise<void>): RunRecord {
    const record = runs();
    let left = commits;
    return {
      commit: async (owner, what) => {
        if (left === 0) {
          died();
          await buried;
          throw new Error('dead');
        }
        left -= 1;
        return await record.commit(owner, what);
      },
      callTools: async (...args) => await record.callTools(...args),
      texts: async (...args) => await record.texts(...args),
      deltas: (...args) => record.deltas(...args),
      onFlag: (...args) => record.onFlag(...args),
      cancelRequested: async (...args) => await record.cancelRequested(...args),
    };
  }

  /** @returns the hash of what happened, and how many steps it took */
  async function lived(commits: number): Promise<{ hash: string; steps: number }> {
    textOf = (query) => (query === 'lease 0' ? fact : `Nothing of ${query}.`);
    const scriptedModel = modelOf(scripted);
    const runId = await accept(request);
    const [died, buried] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const doomed = await work(scriptedModel, mortal(commits, died.resolve, buried.promise));
    const ends = eventsOf(runId);
    await Promise.race([died.promise, ends]);
    await doomed.member.end();
    const heir = await work(scriptedModel);
    await ends;
    buried.resolve();
    await doomed.end();
    await heir.end();
    const { status, report } = await runs().get(tenantId, runId);
    expect([status, report?.output]).toEqual(['completed', { seconds: 30 }]);
    const { request: frozen, events } = await runs().history(tenantId, runId);
    return { hash: transcriptHash(transcriptOf(frozen, events)), steps: events.length };
  }

  it('leaves the same transcript, whichever two steps they are', async () => {
    const whole = await lived(1_000);
    expect(whole.steps).toBeGreaterThan(8);
    for (let commits = 0; commits < whole.steps; commits++)
      expect([commits, await lived(commits)]).toEqual([commits, whole]);
  }, 60_000);
});
