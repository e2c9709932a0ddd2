/** Several servers of one model behind chat completions, over real HTTP. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { type ModelServer, type ServerTurn, startModelServer } from '../../../test/support/model-server.ts';
import type { ChatRequest } from './chat-model.ts';
import { openAiModel } from './openai-model.ts';
import { tongyiV1 } from './tongyi.ts';

const servers: ModelServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

const never = new AbortController().signal;
const requestOf = (session: string): ChatRequest => {
  const turns = [{ role: 'question' as const, text: 'Why is the sky blue?' }];
  return { turns, tools: [], today: '2026-11-26', mustAnswer: false, maxCompletionTokens: 50, session };
};

/** Two servers that say the same, and a model behind both. */
async function stage(player: () => string | ServerTurn = () => '<answer>It scatters.</answer>') {
  for (let i = 0; i < 2; i++) servers.push(await startModelServer(() => player()));
  const [{ baseUrl } = missing(), ...others] = servers;
  const common = { model: 'tiny', profile: tongyiV1, contextTokens: 10_000, retry: { tries: 2, firstDelayMs: 1 } };
  const model = openAiModel({ ...common, baseUrl, otherUrls: others.map((server) => server.baseUrl) });
  const counts = () => servers.map(({ requests }) => requests.length);
  return { model, counts };
}

function missing(): never {
  throw new Error('no server was started');
}

describe('a model behind several servers', () => {
  it('keeps each run at one of them, and uses them all', async () => {
    const { model, counts } = await stage();
    const sessions = Array.from({ length: 12 }, (_, i) => `r${i}`);
    for (const session of sessions) await model.reply(requestOf(session), never);
    const once = counts();
    expect(Math.min(...once)).toBeGreaterThan(0);
    for (const session of sessions) await model.reply(requestOf(session), never);
    expect(counts()).toEqual(once.map((count) => 2 * count));
    const homes = servers.map(({ requests }) => new Set(requests.map(({ headers }) => headers['x-session-id'])));
    expect(homes.reduce((sum, { size }) => sum + size, 0)).toBe(sessions.length);
  });

  it('goes to the other one when its home is gone or cannot serve, and stays there', async () => {
    let refusals = 0;
    const { model, counts } = await stage(() => {
      if (refusals-- > 0) return { fault: { kind: 'status', status: 503 } };
      return '<answer>It scatters.</answer>';
    });
    await model.reply(requestOf('r'), never);
    const home = counts().indexOf(1);
    refusals = 1;
    await model.reply(requestOf('r'), never);
    expect([counts()[home], counts()[1 - home]]).toEqual([2, 1]);
    await model.reply(requestOf('r'), never);
    expect(counts()[1 - home]).toBe(2);
    await servers[1 - home]?.close();
    expect((await model.reply(requestOf('r'), never)).answer).toBeDefined();
    expect(counts()[home]).toBe(3);
  });

  it('waits in the line of its home, whose limit of requests says nothing of the other', async () => {
    let refusals = 0;
    const { model, counts } = await stage(() => {
      const limited = { kind: 'status', status: 429, headers: { 'retry-after': '0' } } as const;
      return refusals-- > 0 ? { fault: limited } : '<answer>It scatters.</answer>';
    });
    await model.reply(requestOf('r'), never);
    refusals = 1;
    await model.reply(requestOf('r'), never);
    expect(counts().toSorted()).toEqual([0, 3]);
  });
});
